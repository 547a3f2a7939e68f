//! How the lists of images and containers that an engine prints are read.

use std::collections::{BTreeMap, HashMap};

/// Digits of a recipe in a tag, as `images/make-images` writes them.
const RECIPE_DIGITS: usize = 16;

/// The image of a Zig version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What containers are started by and what the toolchain is known by: `zigcheck:VERSION-RECIPE`, or the id of an
    /// image without a recipe.
    pub name: String,
    pub id: String,
}

impl Image {
    /// Its tag with a recipe, if it is known by one.
    pub fn tag(&self) -> Option<&str> {
        self.name.strip_prefix("zigcheck:")
    }

    /// An image that is known by that alone.
    pub fn named(name: String) -> Image {
        Image {
            id: name.clone(),
            name,
        }
    }
}

/// The images by Zig version in an answer to `list_images`. A tag `VERSION-RECIPE` of the image of a version names its
/// recipe; one of any other image is a version of its own, which nobody asks for.
pub fn images(answer: &str) -> HashMap<String, Image> {
    let tags = dated_images(answer);
    let mut images = HashMap::new();
    for (tag, (id, _)) in &tags {
        images.insert(tag.clone(), Image::named(id.clone()));
    }
    for (tag, (id, _)) in &tags {
        let of = version_of(tag).and_then(|version| images.get_mut(version));
        if let Some(image) = of.filter(|image| image.id == *id) {
            image.name = format!("zigcheck:{tag}");
            images.remove(tag);
        }
    }
    images
}

/// The version in a tag `VERSION-RECIPE`. A version may have hyphens too: `0.17.0-dev.123`.
fn version_of(tag: &str) -> Option<&str> {
    let (version, recipe) = tag.rsplit_once('-')?;
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (recipe.len() == RECIPE_DIGITS && recipe.bytes().all(is_digit)).then_some(version)
}

/// The id of each tag in an answer to `list_dated_images`, with the text behind it.
pub fn dated_images(answer: &str) -> BTreeMap<String, (String, String)> {
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
