//! A page for people: lines, tables and commands, rendered as plain text or as HTML.

use std::sync::LazyLock;

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::app::render::sanitize::sanitize;
use crate::app::render::table::{Align, Cell, Table};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Cells side by side, in one line.
    Line(Vec<Cell>),
    Table(Table),
    /// A command to copy.
    Command(String),
    /// An empty line.
    Gap,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub title: String,
    /// The first line.
    pub lead: Cell,
    pub blocks: Vec<Block>,
}

/// The whole style sheet. A page loads nothing else.
const STYLE: &str = "\
body{font:15px/1.5 ui-monospace,monospace;margin:2em auto;max-width:75em;padding:0 1em;\
color-scheme:light dark}\
h1{font-size:1.1em}p{margin:.2em 0}table,pre,.apart{margin:1em 0}\
table{border-collapse:collapse}th,td{padding:.1em 1.2em .1em 0;text-align:left;\
vertical-align:top}.right{text-align:right}td pre{margin:0 0 .5em 2em;white-space:pre-wrap}\
.good{color:#1a7f37}.doubtful{color:#9a6700}.bad{color:#d1242f}.dim{opacity:.6}";

/// The Content-Security-Policy of a page: it may use its own style; no scripts, images, forms or framing.
pub fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let style = BASE64.encode(&Sha256::digest(STYLE));
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        )
    });
    &POLICY
}

impl Page {
    /// The page for a terminal. `color` adds escape codes and changes nothing else.
    pub fn text(&self, color: bool) -> String {
        let mut text = format!("{}\n", self.lead.render(color));
        for block in &self.blocks {
            match block {
                Block::Line(cells) => {
                    text.extend(cells.iter().map(|cell| cell.render(color)));
                    text.push('\n');
                }
                Block::Table(table) => text += &table.text(color),
                Block::Command(command) => text += &format!("  {}\n", sanitize(command)),
                Block::Gap => text.push('\n'),
            }
        }
        text
    }

    /// For a browser: no script, nothing to fetch.
    pub fn html(&self) -> String {
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{}</h1>\n",
            escape(&sanitize(&self.title)),
            cell_html(&self.lead)
        );
        let mut after_gap = false;
        for block in &self.blocks {
            match block {
                Block::Line(cells) => {
                    let class = if after_gap { " class=\"apart\"" } else { "" };
                    let cells: String = cells.iter().map(cell_html).collect();
                    html += &format!("<p{class}>{cells}</p>\n");
                }
                Block::Table(table) => html += &table_html(table),
                Block::Command(command) => {
                    html += &format!("<pre>{}</pre>\n", escape(&sanitize(command)));
                }
                Block::Gap => {}
            }
            after_gap = *block == Block::Gap;
        }
        html + "</body>\n</html>\n"
    }
}

/// The text escaped for an HTML element or attribute.
pub fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let text = text.replace('>', "&gt;").replace('"', "&quot;");
    text.replace('\'', "&#39;")
}

fn cell_html(cell: &Cell) -> String {
    let text = escape(cell.text());
    let text = match &cell.link {
        None => text,
        Some(link) => format!("<a href=\"{}\">{text}</a>", escape(&sanitize(link))),
    };
    match cell.style.codes() {
        Some((class, _)) => format!("<span class=\"{class}\">{text}</span>"),
        None => text,
    }
}

fn table_html(table: &Table) -> String {
    let class = |align: Align| match align {
        Align::Left => "",
        Align::Right => " class=\"right\"",
    };
    let mut html = String::from("<table>\n");
    if table.has_titles() {
        html += "<thead><tr>";
        for column in &table.columns {
            let (class, title) = (class(column.align), escape(&column.title));
            html += &format!("<th{class}>{title}</th>");
        }
        html += "</tr></thead>\n";
    }
    html += "<tbody>\n";
    for row in &table.rows {
        html += "<tr>";
        for (cell, column) in row.cells.iter().zip(&table.columns) {
            html += &format!("<td{}>{}</td>", class(column.align), cell_html(cell));
        }
        html += "</tr>\n";
        if !row.notes.is_empty() {
            let notes: Vec<String> = row.notes.iter().map(cell_html).collect();
            let (columns, notes) = (row.cells.len(), notes.join("\n"));
            html += &format!("<tr><td colspan=\"{columns}\"><pre>{notes}</pre></td></tr>\n");
        }
    }
    html + "</tbody>\n</table>\n"
}

/// How a page is rendered for a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageOptions {
    pub html: bool,
    /// Verdicts in terminal colours.
    pub color: bool,
    /// The client's address of this server, safe for a shell command.
    pub host: String,
}
