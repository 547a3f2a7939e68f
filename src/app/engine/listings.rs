//! How the lists of images and containers that an engine prints are read.

use std::collections::HashMap;

/// The image ids by Zig version in an answer to `list_images`.
pub fn images(answer: &str) -> HashMap<String, String> {
    let ids = dated_images(answer).into_iter();
    ids.map(|(version, (id, _))| (version, id)).collect()
}

/// The same with the text behind each id.
pub fn dated_images(answer: &str) -> HashMap<String, (String, String)> {
    let image = |line: &str| -> Option<(String, (String, String))> {
        let (name, rest) = line.trim().split_once(' ')?;
        let (id, made) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        let (repository, version) = name.rsplit_once(':')?;
        // Podman has images that were made here under localhost, and lists those of other owners too.
        let ours = matches!(repository, "zigcheck" | "localhost/zigcheck");
        ours.then(|| (version.to_string(), (id.to_string(), made.to_string())))
    };
    answer.lines().filter_map(image).collect()
}

/// The container names in an answer to `list_containers`. A container whose removal is under way is as good as gone.
pub fn containers(answer: &str) -> Vec<String> {
    let name = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let is_going = words.next().is_some_and(|state| state == "removing");
        (!is_going).then(|| name.to_string())
    };
    answer.lines().filter_map(name).collect()
}
