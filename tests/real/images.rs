//! The tags that `images/make-images` gives, in an engine with nothing else in it; and how `images/setup-machine` starts one.

use std::collections::BTreeMap;
use std::process::Command;

use crate::common::server::{scratch, write_script};
use crate::exclusive::shared;
use crate::own_engine::OwnEngine;

const VERSION: &str = "0.16.0";
const INPUTS: &str = "--format={{index .Config.Labels \"zigcheck.inputs\"}}";

fn said(command: &mut Command) -> String {
    let output = command.output().expect("it is installed");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The tags of zigcheck's images there, with their ids.
fn tags(docker: &str) -> BTreeMap<String, String> {
    let format = "--format={{.Tag}} {{.ID}}";
    let listed = said(Command::new(docker).args(["images", "--no-trunc", format, "zigcheck"]));
    let pair = |line: &str| {
        let (tag, id) = line.split_once(' ').expect("two words");
        (tag.to_string(), id.to_string())
    };
    listed.lines().map(pair).collect()
}

/// An image with nothing in it but the labels of one that was made of these inputs.
fn import(engine: &OwnEngine, tag: &str, inputs: &str) {
    let script = format!(
        "tar --create --files-from=/dev/null | {} import --change 'LABEL zigcheck=image' \
         --change 'LABEL zigcheck.inputs={inputs}' - zigcheck:{tag}",
        engine.command()
    );
    said(Command::new("sh").args(["-c", &script]));
}

fn make_images(engine: &OwnEngine) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/images/make-images");
    said(
        Command::new(script)
            .env("DOCKER_HOST", engine.host())
            .env("VERSION", VERSION),
    )
}

#[test]
fn an_image_that_is_up_to_date_gets_the_tag_of_its_recipe_and_no_other_image_has_one() {
    let _machine = shared();
    let mut inspect = Command::new("docker");
    let inputs = said(inspect.args(["image", "inspect", INPUTS, &format!("zigcheck:{VERSION}")]));
    let mut engine = OwnEngine::new("images");
    engine.start(false);
    import(&engine, VERSION, inputs.trim());
    let (gone, held) = ("0.16.0-0123456789abcdef", "0.16.0-fedcba9876543210");
    import(&engine, gone, "earlier");
    import(&engine, held, "earlier-still");
    let (older, other) = ("0.16.0-beta.1", "0.15.2-0123456789abcdef");
    import(&engine, other, "of-another-version");
    assert!(engine.ask(&[
        "tag",
        &format!("zigcheck:{VERSION}"),
        &format!("zigcheck:{older}")
    ]));
    assert!(engine.ask(&["create", "--name=held", &format!("zigcheck:{held}"), "true"]));
    let before = tags(engine.command());

    let text = make_images(&engine);
    assert!(text.contains(&format!("zigcheck:{held} stays")), "{text}");
    assert!(
        text.ends_with("images: all images are up to date\n"),
        "{text}"
    );
    // By the same recipe as the machine's own image.
    let id = &before[VERSION];
    let of_machine = tags("docker");
    let is_recipe = |tag: &&String| {
        tag.starts_with("0.16.0-") && of_machine[tag.as_str()] == of_machine[VERSION]
    };
    let recipe = of_machine
        .keys()
        .find(is_recipe)
        .expect("make docker-build");
    let mut expected = before.clone();
    expected.remove(gone);
    expected.insert(recipe.clone(), id.clone());
    assert_eq!(tags(engine.command()), expected);
    let left = said(Command::new(engine.command()).args(["images", "--quiet", "--all"]));
    assert!(
        !left.contains(&before[gone][7..19]),
        "it went with its tag: {left}"
    );

    assert!(engine.ask(&["rm", "held"]));
    expected.remove(held);
    for _ in 0..2 {
        make_images(&engine);
        assert_eq!(tags(engine.command()), expected);
    }
    // An image that was changed by hand has the labels of the one that it was made of.
    import(&engine, VERSION, inputs.trim());
    let before = tags(engine.command());
    assert_ne!(&before[VERSION], id);
    let text = make_images(&engine);
    let again = format!("docker tag zigcheck:{recipe} zigcheck:{VERSION}\n");
    assert!(text.contains(&again), "{text}");
    assert_eq!(tags(engine.command()), before);
}

/// The engine, which is down at first, is a stand-in: a real one could not start beside the machine's.
#[test]
fn dockerd_is_started_where_systemd_has_a_directory_but_does_not_run() {
    let _machine = shared();
    let dir = scratch("stand-in-dockerd");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    let at = dir.display();
    let docker = format!("#!/bin/sh\n[ \"$1\" != version ] || [ -e {at}/runs ]\n");
    write_script(&dir.join("docker"), &docker);
    let dockerd = format!("#!/bin/sh\ntouch {at}/runs\nsleep 10\n");
    write_script(&dir.join("dockerd"), &dockerd);
    let script = concat!(
        "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log && mkdir -p /run/systemd/system && exec ",
        env!("CARGO_MANIFEST_DIR"),
        "/images/setup-machine"
    );
    let path = std::env::var("PATH").expect("a PATH");
    let mut setup = Command::new("unshare");
    setup.args(["--mount", "sh", "-c", script]);
    let text = said(
        setup
            .env("PATH", format!("{at}:{path}"))
            .env_remove("DOCKER_HOST"),
    );
    assert_eq!(
        text,
        "setup: starting dockerd (its log: /var/log/zigcheck-dockerd.log)\n"
    );
}
