//! Which part of a URL's path names the repository, and which one a page of it.

use percent_encoding::percent_decode_str;

/// Hosts on which the first two parts of a path name the repository.
pub const OWNER_AND_NAME: [&str; 4] = ["github.com", "codeberg.org", "git.sr.ht", "bitbucket.org"];

/// Their repositories have an owner, in groups of any depth.
const GROUPS: &str = "gitlab.com";

/// Parts behind owner and name that begin a page on most servers of repositories, if a part follows them.
const PAGES: [&str; 8] = [
    "tree", "blob", "src", "commit", "commits", "pull", "tags", "branches",
];

/// Parts behind owner and name that are a page, whatever follows.
const WHOLE_PAGES: [&str; 5] = ["issues", "pulls", "releases", "wiki", "actions"];

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub enum Place<'p> {
    /// All of it is the path of a repository.
    Repository,
    /// The first `depth` parts name the repository; the others a page of the files in it.
    Page {
        depth: usize,
        shown: Option<Shown<'p>>,
    },
    /// The first `depth` parts name the repository; the others a page of something else.
    Other { depth: usize },
}

/// What a page of files shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown<'p> {
    /// A branch, tag or commit, and behind it the folder or file in it.
    parts: &'p [&'p str],
    /// One file, not a folder.
    is_file: bool,
}

/// What the parts of a path name on that host, which is in lower case and without `www.`; an error if it is a user.
///
/// On a host that is not known a path is that of a page only if it looks like one behind owner and name. The path of a
/// repository that looks so is recognized with `.git` at its end.
pub fn place<'p>(host: &str, parts: &'p [&'p str]) -> Result<Place<'p>, String> {
    let two_parts = OWNER_AND_NAME.contains(&host);
    if (two_parts || host == GROUPS) && parts.len() == 1 {
        let owner = parts[0];
        return Err(format!(
            "must name a repository: send https://{host}/{owner}/REPOSITORY"
        ));
    }
    // GitLab has its pages behind a dash.
    let dash = parts.iter().position(|part| *part == "-");
    if let Some(depth) = dash.filter(|depth| *depth >= 2 && !two_parts) {
        return Ok(page(host, depth, &parts[depth + 1..]));
    }
    let ends_with_git = parts.last().is_some_and(|last| last.ends_with(".git"));
    let is_page = match parts {
        [_, _, _, ..] if two_parts => true,
        _ if ends_with_git => false,
        [_, _, word, ..] if WHOLE_PAGES.contains(word) => true,
        [_, _, word, _, ..] => PAGES.contains(word),
        _ => false,
    };
    match is_page {
        true => Ok(page(host, 2, &parts[2..])),
        false => Ok(Place::Repository),
    }
}

/// The page that these parts name, which stand behind a repository of that depth.
fn page<'p>(host: &str, depth: usize, parts: &'p [&'p str]) -> Place<'p> {
    let shown: &[&str] = match parts {
        ["commit", _, _, ..] => &[],
        ["tree" | "blob" | "commit", shown @ ..] => shown,
        ["src", "branch" | "tag" | "commit", shown @ ..] => shown,
        ["src", shown @ ..] if host == "bitbucket.org" => shown,
        _ => &[],
    };
    // The page of all files is that of the repository.
    let is_root = matches!(parts, [] | ["tree" | "src"]);
    if shown.is_empty() && !is_root {
        return Place::Other { depth };
    }
    let is_file = parts.first() == Some(&"blob");
    let shown = (!is_root).then_some(Shown {
        parts: shown,
        is_file,
    });
    Place::Page { depth, shown }
}

impl Shown<'_> {
    /// The branch, tag or commit, and the folder. The first part is the branch, unless the parts begin with `wanted`,
    /// which may have slashes; an error if it is given and is not what the page shows.
    pub fn split(&self, wanted: Option<&str>) -> Result<(Option<String>, Option<String>), String> {
        let decode = |part: &&str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let parts: Vec<String> = self.parts.iter().map(decode).collect();
        let whole = parts.join("/");
        let wanted = wanted.unwrap_or(&parts[0]);
        let rest = whole.strip_prefix(wanted);
        let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
            return Err(format!("shows {whole}, not the ref {wanted}"));
        };
        let rest = rest.trim_start_matches('/');
        // sourcehut has the files of a tree behind this word.
        let rest = rest.strip_prefix("item/").unwrap_or(rest);
        let (above, last) = rest.rsplit_once('/').unwrap_or(("", rest));
        let dir = match last {
            // A file's page names no folder, but that of a build script does.
            "build.zig" | "build.zig.zon" => above,
            _ if self.is_file => "",
            _ => rest,
        };
        let dir = Some(dir.to_string()).filter(|dir| !dir.is_empty());
        Ok((Some(wanted.to_string()), dir))
    }
}
