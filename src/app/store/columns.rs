//! How rows are read, column by column, and how the words of the domain are stored.

use std::cell::Cell;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, Statement};

use crate::app::domain::commit_search::SearchState;
use crate::app::domain::ids::{BuildId, CheckId, PackageId};
use crate::app::domain::scope::Scope;
use crate::app::domain::task::{Priority, Task};
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::{
    BuildStatus, DepsOutcome, ImportStatus, Reason, State, TestStatus,
};
use crate::app::store::store::Result;
use crate::base::client_net::ClientNet;

/// Reads the columns of a row by name.
pub struct Columns<'r, 's> {
    row: &'r Row<'s>,
    /// Where the search for the next name begins. A name costs one comparison if the columns are read in the order
    /// in which the statement lists them.
    next: Cell<usize>,
}

impl<'r, 's> Columns<'r, 's> {
    pub fn of(row: &'r Row<'s>) -> Columns<'r, 's> {
        Columns {
            row,
            next: Cell::new(0),
        }
    }

    pub fn get<T: FromSql>(&self, name: &str) -> Result<T> {
        self.row.get(self.index(name)?)
    }

    /// The task that the columns `kind` and `id` name.
    pub fn task(&self) -> Result<Task> {
        let task = Task::from_columns(self.get("kind")?, self.get("id")?);
        task.ok_or(rusqlite::Error::InvalidQuery)
    }

    fn index(&self, name: &str) -> Result<usize> {
        let statement: &Statement = self.row.as_ref();
        let next = self.next.get();
        let index = match statement.column_name(next) {
            Ok(found) if found == name => next,
            _ => statement.column_index(name)?,
        };
        self.next.set(index + 1);
        Ok(index)
    }
}

/// Defines a row: the struct, `SELECT` with a column for each field, and `read`, which reads the fields by name. A
/// field without an expression is a column of the same name.
macro_rules! row {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident from $tables:literal {
            $(#[$first_attribute:meta])*
            pub $first:ident: $first_type:ty $(= $first_column:literal)?,
            $($(#[$field_attribute:meta])* pub $field:ident: $type:ty $(= $column:literal)?,)*
        }
    ) => {
        $(#[$attribute])*
        pub struct $name {
            $(#[$first_attribute])*
            pub $first: $first_type,
            $($(#[$field_attribute])* pub $field: $type,)*
        }

        impl $name {
            pub(super) const SELECT: &str = concat!(
                "SELECT ", $crate::app::store::columns::column!($first $($first_column)?),
                $(", ", $crate::app::store::columns::column!($field $($column)?),)*
                " FROM ", $tables
            );

            pub(super) fn read(row: &rusqlite::Row) -> $crate::app::store::store::Result<$name> {
                let columns = $crate::app::store::columns::Columns::of(row);
                Ok($name {
                    $first: columns.get(stringify!($first))?,
                    $($field: columns.get(stringify!($field))?,)*
                })
            }
        }
    };
}
pub(super) use row;

/// The verdict of rows that have the four columns which say it.
macro_rules! statuses {
    ($($row:ident),*) => {
        $(impl $row {
            pub fn statuses(&self) -> $crate::app::domain::verdict::Statuses {
                $crate::app::domain::verdict::Statuses {
                    build: self.build_status,
                    test: self.test_status,
                    import: self.import_status,
                    compiled: self.compiled,
                }
            }
        })*
    };
}
pub(super) use statuses;

macro_rules! column {
    ($field:ident) => {
        concat!("\"", stringify!($field), "\"")
    };
    ($field:ident $column:literal) => {
        concat!($column, " AS \"", stringify!($field), "\"")
    };
}
pub(super) use column;

/// Stores the enums of `str_enum!` as their words.
macro_rules! stored_as_words {
    ($($name:ident),+) => { $(
        impl ToSql for $name {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<$name> {
                let word = value.as_str()?;
                $name::parse(word).ok_or_else(|| FromSqlError::Other(unknown_word(word)))
            }
        }
    )+ };
}

stored_as_words!(
    BuildStatus,
    DepsOutcome,
    ImportStatus,
    Reason,
    Scope,
    SearchState,
    State,
    TestStatus,
    Transition
);

/// Stores ids as their numbers.
macro_rules! stored_as_numbers {
    ($($name:ident),+) => { $(
        impl ToSql for $name {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                Ok(self.get().into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<$name> {
                value.as_i64().map($name)
            }
        }
    )+ };
}

stored_as_numbers!(BuildId, CheckId, PackageId);

fn unknown_word(word: &str) -> Box<dyn std::error::Error + Send + Sync> {
    format!("unknown word in the database: {word}").into()
}

impl ToSql for Priority {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.number().into())
    }
}

impl FromSql for Priority {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Priority> {
        let number = value.as_i64()?;
        Priority::from_number(number).ok_or(FromSqlError::OutOfRange(number))
    }
}

/// Stored as people write it.
impl ToSql for ClientNet {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for ClientNet {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<ClientNet> {
        let text = value.as_str()?;
        ClientNet::parse(text).ok_or_else(|| FromSqlError::Other(unknown_word(text)))
    }
}
