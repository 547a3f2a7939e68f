//! The configuration: who asked for what, and where it is sent.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::app::domain::package_name;
use crate::notify::fields::{Fields, authority, url};
use crate::notify::limits::{
    ADDRESS_LIMIT_BYTES, ADDRESSES_LIMIT, FIRST_PAUSE_S, FORGES_LIMIT, OWNERS_FILE_LIMIT_BYTES,
    ROWS_LIMIT,
};

/// All settings; secrets are read already.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// Where the server answers.
    pub server: String,
    /// Where people find it: links lead there.
    pub public_url: String,
    /// For its calls about issues.
    pub server_token: Option<String>,
    pub forges: Vec<Forge>,
    pub mail: Option<Mail>,
    pub webhook_secret: Option<String>,
    pub rows: Vec<Row>,
    pub first_pause_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeKind {
    GitHub,
    Forgejo,
    GitLab,
}

#[derive(Clone, PartialEq)]
pub struct Forge {
    pub kind: ForgeKind,
    /// The URL of its pages.
    pub url: String,
    pub api: String,
    pub token: String,
    /// Its repositories may ask for something by themselves.
    pub owners: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    pub from: String,
    pub sendmail: PathBuf,
}

/// What is asked for of a package.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    pub status: bool,
    pub issue: bool,
    pub webhooks: Vec<String>,
    pub mail: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// None: all of them.
    pub package: Option<String>,
    pub asked: Asked,
}

/// The text of a file with a secret. An error says what is wrong with the file.
pub type ReadSecret<'a> = &'a dyn Fn(&Path) -> Result<String, String>;

const TOP: [&str; 8] = [
    "server",
    "public_url",
    "token_file",
    "forges",
    "mail",
    "webhook_secret_file",
    "packages",
    "first_pause_s",
];

impl Config {
    /// The configuration in a text. An error is one sentence with the line or field.
    pub fn read(text: &str, read_secret: ReadSecret) -> Result<Config, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let fields = Fields::of(&value, "", &TOP)?;
        let secret = |fields: &Fields, name: &str| secret(fields, name, read_secret);
        let forges = fields.list("forges", FORGES_LIMIT)?;
        let forges = forges
            .into_iter()
            .map(|(place, value)| forge(value, &place, read_secret));
        let rows = fields.list("packages", ROWS_LIMIT)?;
        let rows = rows.into_iter().map(|(place, value)| row(value, &place));
        let server = fields.url("server")?;
        let server = server.unwrap_or_else(|| "http://127.0.0.1:3000".to_string());
        let first_pause_s = fields.number("first_pause_s", 1, 3_600)?;
        let config = Config {
            public_url: fields.url("public_url")?.unwrap_or_else(|| server.clone()),
            server,
            server_token: secret(&fields, "token_file")?,
            forges: forges.collect::<Result<_, _>>()?,
            mail: fields.get("mail").map(mail).transpose()?,
            webhook_secret: secret(&fields, "webhook_secret_file")?,
            rows: rows.collect::<Result<_, _>>()?,
            first_pause_ms: first_pause_s.unwrap_or(FIRST_PAUSE_S) as i64 * 1_000,
        };
        config.check()?;
        Ok(config)
    }

    /// What is asked for needs what sends it.
    fn check(&self) -> Result<(), String> {
        let asks = |of: fn(&Asked) -> bool| self.rows.iter().any(|row| of(&row.asked));
        let owners = self.forges.iter().any(|forge| forge.owners);
        let needs = [
            (
                asks(|asked| !asked.mail.is_empty()) && self.mail.is_none(),
                "mail",
            ),
            (
                asks(|asked| !asked.webhooks.is_empty()) && self.webhook_secret.is_none(),
                "webhook_secret_file",
            ),
            (
                asks(|asked| asked.status || asked.issue) && self.forges.is_empty(),
                "forges",
            ),
            (
                (owners || asks(|asked| asked.issue)) && self.server_token.is_none(),
                "token_file",
            ),
        ];
        match needs.iter().find(|(is_missing, _)| *is_missing) {
            Some((_, name)) => Err(format!(
                "{name}: is missing, and packages ask for what needs it"
            )),
            None => Ok(()),
        }
    }

    /// What an admin asked for of a package.
    pub fn asked(&self, package: &str) -> Asked {
        let is_of = |row: &&Row| row.package.as_deref().is_none_or(|name| name == package);
        let mut all = Asked::default();
        for Row { asked, .. } in self.rows.iter().filter(is_of) {
            all.add(asked);
        }
        all
    }

    /// The forge with that URL. An error says that there is none any more.
    pub fn forge(&self, url: &str) -> Result<&Forge, String> {
        let forge = self.forges.iter().find(|forge| forge.url == url);
        forge.ok_or_else(|| format!("the forge {url} is not named any more"))
    }

    /// The forge of a repository, with the path of the repository there.
    pub fn forge_of(&self, repository: &str) -> Option<(&Forge, String)> {
        let found = |forge: &'_ Forge| forge.project(repository);
        let mut forges = self.forges.iter();
        forges.find_map(|forge| Some((forge, found(forge)?)))
    }

    /// Whether anything of a package may be asked for, by an admin or by its owner.
    pub fn may_ask(&self, package: &str) -> bool {
        self.asked(package) != Asked::default() || self.forges.iter().any(|forge| forge.owners)
    }

    /// The name by which the server is waited for.
    pub fn server_receiver(&self) -> String {
        authority(&self.server).to_string()
    }
}

impl Asked {
    pub fn add(&mut self, other: &Asked) {
        self.status |= other.status;
        self.issue |= other.issue;
        let new = |known: &Vec<String>, more: &[String]| -> Vec<String> {
            let mut all = known.clone();
            all.extend(more.iter().filter(|one| !known.contains(one)).cloned());
            all
        };
        self.webhooks = new(&self.webhooks, &other.webhooks);
        self.mail = new(&self.mail, &other.mail);
    }

    /// Sets what a word asks for.
    fn set(&mut self, word: &str) -> Result<(), String> {
        match word {
            "status" => self.status = true,
            "issue" => self.issue = true,
            _ => return Err("must be status or issue".to_string()),
        }
        Ok(())
    }
}

/// What a repository asks for by its file `.zigcheck.json`: statuses and issues in itself, and nothing that would go
/// elsewhere. What cannot be read asks for nothing.
pub fn owners_file(text: &str) -> Asked {
    let mut asked = Asked::default();
    let value = match text.len() <= OWNERS_FILE_LIMIT_BYTES {
        true => serde_json::from_str(text).unwrap_or(Value::Null),
        false => Value::Null,
    };
    for word in value["notify"].as_array().into_iter().flatten() {
        // A word of a later version asks for nothing today.
        let _ = asked.set(word.as_str().unwrap_or(""));
    }
    asked
}

fn secret(fields: &Fields, name: &str, read: ReadSecret) -> Result<Option<String>, String> {
    let Some(path) = fields.path(name)? else {
        return Ok(None);
    };
    let named = |fault| format!("{}: {}: {fault}", fields.at(name), path.display());
    let text = read(&path).map_err(named)?;
    Ok(Some(text.trim().to_string()))
}

fn forge(value: &Value, place: &str, read: ReadSecret) -> Result<Forge, String> {
    let known = ["kind", "url", "api", "token_file", "owners"];
    let fields = Fields::of(value, place, &known)?;
    let kind = match fields.needed("kind")? {
        "github" => ForgeKind::GitHub,
        "forgejo" => ForgeKind::Forgejo,
        "gitlab" => ForgeKind::GitLab,
        _ => {
            return Err(format!(
                "{}: must be github, forgejo or gitlab",
                fields.at("kind")
            ));
        }
    };
    let missing = |name: &str| format!("{}: is missing", fields.at(name));
    let url = fields.url("url")?.ok_or_else(|| missing("url"))?;
    let api = match (kind, &url[..]) {
        (ForgeKind::GitHub, "https://github.com") => "https://api.github.com".to_string(),
        (ForgeKind::GitHub, url) => format!("{url}/api/v3"),
        (ForgeKind::Forgejo, url) => format!("{url}/api/v1"),
        (ForgeKind::GitLab, url) => format!("{url}/api/v4"),
    };
    let token = secret(&fields, "token_file", read)?;
    Ok(Forge {
        kind,
        api: fields.url("api")?.unwrap_or(api),
        url,
        token: token.ok_or_else(|| missing("token_file"))?,
        owners: fields.flag("owners")?,
    })
}

fn mail(value: &Value) -> Result<Mail, String> {
    let fields = Fields::of(value, "mail", &["from", "sendmail"])?;
    let from = address(fields.needed("from")?);
    let sendmail = fields.path("sendmail")?;
    Ok(Mail {
        from: from.map_err(|fault| format!("mail.from: {fault}"))?,
        sendmail: sendmail.unwrap_or_else(|| PathBuf::from("/usr/sbin/sendmail")),
    })
}

fn row(value: &Value, place: &str) -> Result<Row, String> {
    let fields = Fields::of(value, place, &["package", "notify", "webhooks", "mail"])?;
    let package = match fields.needed("package")? {
        "*" => None,
        name if package_name::is_name(name) => Some(name.to_string()),
        _ => {
            return Err(format!(
                "{}: must be the name of a package, or *",
                fields.at("package")
            ));
        }
    };
    let mut asked = Asked {
        webhooks: fields.texts("webhooks", ADDRESSES_LIMIT, url)?,
        mail: fields.texts("mail", ADDRESSES_LIMIT, address)?,
        ..Asked::default()
    };
    let words = fields.texts("notify", ADDRESSES_LIMIT, |word| {
        let mut one = Asked::default();
        one.set(word).map(|()| one)
    })?;
    words.iter().for_each(|word| asked.add(word));
    Ok(Row { package, asked })
}

/// A mail address as it is written in a header and in an argument: no comment, no quotes, no option.
fn address(text: &str) -> Result<String, String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.@".contains(&b);
    let parts = text.split('@').collect::<Vec<&str>>();
    let is_whole = parts.len() == 2 && parts.iter().all(|part| !part.is_empty());
    let is_short = text.len() <= ADDRESS_LIMIT_BYTES;
    match is_whole && is_short && text.bytes().all(is_plain) && !text.starts_with('-') {
        true => Ok(text.to_string()),
        false => Err("must be a mail address, as name@example.org".to_string()),
    }
}
