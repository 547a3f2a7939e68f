//! A strict reader of HTML: it takes only what pages of ours are made of, each element closed, each value quoted, each
//! character that means something escaped. So what a stranger wrote can be nothing but text.

/// The elements that have no end.
const VOID: [&str; 5] = ["meta", "link", "input", "br", "hr"];

/// The elements of our pages.
const KNOWN: &str = "em html head meta title link style body header form a input button nav p main section h1 h2 h3 q div table \
    caption thead tbody tr th td span time code pre dl dt dd ul ol li footer small progress label textarea select option \
    details summary strong br hr template slot svg rect path figure figcaption";

/// The attributes of our elements.
const ATTRIBUTES: &str = "data-line download http-equiv lang charset name content property rel href class role action type aria-label aria-hidden placeholder \
    value scope title datetime method for id max required maxlength autocomplete aria-describedby aria-invalid selected rows \
    tabindex shadowrootmode slot open colspan download aria-current autofocus checked \
    x width height fill viewBox preserveAspectRatio d";

#[derive(Debug, Clone, Default)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// All text in it.
    pub text: String,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The elements in the order in which they begin.
pub struct Document(pub Vec<Element>);

impl Document {
    pub fn named(&self, name: &str) -> Vec<&Element> {
        self.0
            .iter()
            .filter(|element| element.name == name)
            .collect()
    }

    /// The text of the first of these elements.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        &self.named(name).first().expect(name).text
    }

    /// The targets of links and forms.
    pub fn targets(&self) -> Vec<String> {
        let of = |element: &Element| {
            let names = ["href", "action"];
            let found = names.iter().find_map(|name| element.attribute(name));
            found.map(str::to_string)
        };
        self.0.iter().filter_map(of).collect()
    }

    /// The link whose text that is.
    pub fn link(&self, text: &str) -> Option<&str> {
        let links = self.named("a").into_iter();
        let mut named = links.filter(|link| link.text.trim() == text);
        named.next().and_then(|link| link.attribute("href"))
    }
}

/// The page; a panic where it is not one of ours.
#[track_caller]
pub fn parse(page: &str) -> Document {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let (mut all, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        add_text(&rest[..at], &mut all, &open);
        let (tag, behind) = rest[at + 1..].split_once('>').expect("a whole tag");
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            let last = open
                .pop()
                .unwrap_or_else(|| panic!("</{name}> ends nothing"));
            assert_eq!(all[last].name, name, "ends another element");
            continue;
        }
        let element = element(tag);
        let is_void = VOID.contains(&element.name.as_str());
        if element.name == "style" {
            let (_, behind) = rest.split_once("</style>").expect("an end of the style");
            rest = behind;
        } else if !is_void {
            open.push(all.len());
        }
        all.push(element);
    }
    assert_eq!(rest.trim(), "", "behind the page");
    assert!(open.is_empty(), "elements do not end");
    Document(all)
}

fn add_text(text: &str, all: &mut [Element], open: &[usize]) {
    let text = unescaped(text);
    for at in open {
        all[*at].text += &text;
    }
}

fn element(tag: &str) -> Element {
    let end = tag.find(' ').unwrap_or(tag.len());
    let (name, mut rest) = (tag[..end].to_string(), &tag[end..]);
    assert!(
        KNOWN.split_whitespace().any(|known| known == name),
        "<{tag}>"
    );
    let mut attributes: Vec<(String, String)> = Vec::new();
    while !rest.is_empty() {
        let begin = rest.strip_prefix(' ').unwrap_or_else(|| panic!("<{tag}>"));
        let end = begin.find([' ', '=']).unwrap_or(begin.len());
        let (name, behind) = begin.split_at(end);
        assert!(
            ATTRIBUTES.split_whitespace().any(|known| known == name),
            "{name} in <{tag}>"
        );
        let mut value = String::new();
        rest = behind;
        if let Some(quoted) = behind.strip_prefix("=\"") {
            let (inner, behind) = quoted.split_once('"').expect("a whole value");
            (value, rest) = (unescaped(inner), behind);
        }
        if ["href", "action"].contains(&name) {
            let schemes = ["/", "https://", "http://", "#"];
            let is_safe = schemes.iter().any(|scheme| value.starts_with(scheme));
            assert!(is_safe && !value.starts_with("//"), "{value:?} in <{tag}>");
        }
        assert!(
            attributes.iter().all(|(known, _)| known != name),
            "{name} twice in <{tag}>"
        );
        attributes.push((name.to_string(), value));
    }
    Element {
        name,
        attributes,
        text: String::new(),
    }
}

fn unescaped(text: &str) -> String {
    assert!(!text.contains(['<', '>']), "not escaped: {text:?}");
    let mut pieces = text.split('&');
    let mut plain = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let (name, behind) = piece.split_once(';').expect("a whole reference");
        plain += match name {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            other => panic!("&{other}; is none of ours"),
        };
        plain += behind;
    }
    plain
}
