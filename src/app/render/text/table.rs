//! Tables in a terminal: styled cells, columns as wide as their content, notes under a row.

use crate::app::render::limits::{SHOWN_ERROR_LIMIT_CHARS, TABLE_GAP_CHARS};
use crate::app::render::sanitize::{clip, sanitize, width};

/// The meaning of a cell, shown as its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    #[default]
    Plain,
    Good,
    Doubtful,
    Bad,
    Dim,
}

impl Style {
    /// The escape code in a terminal; none for plain text.
    fn code(self) -> Option<&'static str> {
        match self {
            Style::Plain => None,
            Style::Good => Some("32"),
            Style::Doubtful => Some("33"),
            Style::Bad => Some("31"),
            Style::Dim => Some("2"),
        }
    }
}

/// A piece of sanitized text with a style.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    text: String,
    pub style: Style,
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

    /// The text for a terminal, with the colour of its style if `color`.
    pub fn render(&self, color: bool) -> String {
        match self.style.code() {
            Some(code) if color && !self.text.is_empty() => {
                format!("\x1b[{code}m{}\x1b[0m", self.text)
            }
            _ => self.text.clone(),
        }
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
    /// The widest cell.
    limit: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub cells: Vec<Cell>,
    /// Lines under the row, across all columns.
    pub notes: Vec<Cell>,
}

/// A table. Without titles it has no title line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

impl Table {
    /// Adds a column of at most `limit` terminal cells.
    pub fn column(mut self, title: &str, align: Align, limit: usize) -> Table {
        let title = clip(&sanitize(title), limit);
        self.columns.push(Column {
            title,
            align,
            limit,
        });
        self
    }

    /// Adds a row of one cell for each column. Cells are clipped to the limits of their columns.
    pub fn push(&mut self, cells: Vec<Cell>, notes: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        let mut row = Row { cells, notes };
        for (cell, column) in row.cells.iter_mut().zip(&self.columns) {
            cell.text = clip(&cell.text, column.limit);
        }
        for note in &mut row.notes {
            note.text = clip(&note.text, SHOWN_ERROR_LIMIT_CHARS);
        }
        self.rows.push(row);
    }

    pub fn has_titles(&self) -> bool {
        self.columns.iter().any(|column| !column.title.is_empty())
    }

    /// The table for a terminal, in complete lines.
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
                text += &format!("    {}\n", note.render(color));
            }
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let width_of = |at: usize| {
            let cells = self.rows.iter().map(|row| width(&row.cells[at].text));
            cells.max().unwrap_or(0).max(width(&self.columns[at].title))
        };
        (0..self.columns.len()).map(width_of).collect()
    }

    fn line(&self, cells: &[Cell], widths: &[usize], color: bool, text: &mut String) {
        // Spaces are written only ahead of text, so no line ends in any. Colours surround the text alone, so they
        // do not change the gaps.
        let mut spaces = 0;
        for ((cell, column), column_width) in cells.iter().zip(&self.columns).zip(widths) {
            let free = column_width - width(&cell.text);
            let (before, after) = match column.align {
                Align::Left => (0, free),
                Align::Right => (free, 0),
            };
            spaces += before;
            if !cell.text.is_empty() {
                text.extend(std::iter::repeat_n(' ', spaces));
                text.push_str(&cell.render(color));
                spaces = 0;
            }
            spaces += after + TABLE_GAP_CHARS;
        }
        text.push('\n');
    }
}
