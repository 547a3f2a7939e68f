//! Tables for people: cells with a tone, columns as wide as what is in them, notes under a row.

use crate::app::render::limits::{SHOWN_ERROR_LIMIT_CHARS, TABLE_GAP_CHARS};
use crate::app::render::sanitize::{clip, sanitize, width};

/// What a cell says at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    #[default]
    Plain,
    Good,
    Doubtful,
    Bad,
    Dim,
}

/// A piece of text that can be shown anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    text: String,
    pub style: Style,
    /// Where it leads, on a page that has links.
    pub link: Option<String>,
}

impl Cell {
    pub fn new(text: &str) -> Cell {
        Cell {
            text: sanitize(text),
            ..Cell::default()
        }
    }

    pub fn styled(mut self, style: Style) -> Cell {
        self.style = style;
        self
    }

    pub fn linked(mut self, link: impl Into<String>) -> Cell {
        self.link = Some(link.into());
        self
    }

    /// No wider than that.
    pub fn clipped(mut self, limit: usize) -> Cell {
        self.text = clip(&self.text, limit);
        self
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, in its colour where colours are wanted.
    pub fn shown(&self, color: bool) -> String {
        let code = match self.style {
            _ if !color || self.text.is_empty() => return self.text.clone(),
            Style::Plain => return self.text.clone(),
            Style::Good => "32",
            Style::Doubtful => "33",
            Style::Bad => "31",
            Style::Dim => "2",
        };
        format!("\x1b[{code}m{}\x1b[0m", self.text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub title: String,
    pub align: Align,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub cells: Vec<Cell>,
    /// Lines under the row, over all columns.
    pub notes: Vec<Cell>,
}

/// Rows under columns; without titles there is no line of titles either.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    columns: Vec<Column>,
    limits: Vec<usize>,
    rows: Vec<Row>,
}

impl Table {
    pub fn new() -> Table {
        Table::default()
    }

    /// A further column, no wider than `limit` characters.
    pub fn column(mut self, title: &str, align: Align, limit: usize) -> Table {
        let title = clip(&sanitize(title), limit);
        self.columns.push(Column { title, align });
        self.limits.push(limit);
        self
    }

    /// A further row: a cell for each column, clipped to its limit.
    pub fn push(&mut self, cells: Vec<Cell>, notes: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        let mut row = Row { cells, notes };
        for (cell, limit) in row.cells.iter_mut().zip(&self.limits) {
            cell.text = clip(&cell.text, *limit);
        }
        for note in &mut row.notes {
            note.text = clip(&note.text, SHOWN_ERROR_LIMIT_CHARS);
        }
        self.rows.push(row);
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn has_titles(&self) -> bool {
        self.columns.iter().any(|column| !column.title.is_empty())
    }

    /// The table in lines, each with its end.
    pub fn text(&self, color: bool) -> String {
        let widths = self.widths();
        let mut text = String::new();
        if self.has_titles() {
            let titles = self.columns.iter().map(|column| Cell::new(&column.title));
            self.line(&titles.collect::<Vec<Cell>>(), &widths, false, &mut text);
        }
        for row in &self.rows {
            self.line(&row.cells, &widths, color, &mut text);
            for note in &row.notes {
                text += &format!("    {}\n", note.shown(color));
            }
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let widest = |at: usize| {
            let cells = self.rows.iter().map(|row| width(&row.cells[at].text));
            cells.max().unwrap_or(0).max(width(&self.columns[at].title))
        };
        (0..self.columns.len()).map(widest).collect()
    }

    fn line(&self, cells: &[Cell], widths: &[usize], color: bool, text: &mut String) {
        // Spaces wait until something stands behind them, so that no line ends in any. Colours
        // are put around the words alone: they take no room, and the gaps stay as they are.
        let mut spaces = 0;
        for ((cell, column), wide) in cells.iter().zip(&self.columns).zip(widths) {
            let free = wide - width(&cell.text);
            let (before, after) = match column.align {
                Align::Left => (0, free),
                Align::Right => (free, 0),
            };
            spaces += before;
            if !cell.text.is_empty() {
                text.extend(std::iter::repeat_n(' ', spaces));
                text.push_str(&cell.shown(color));
                spaces = 0;
            }
            spaces += after + TABLE_GAP_CHARS;
        }
        text.push('\n');
    }
}
