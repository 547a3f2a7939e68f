//! The service under a real systemd, which is the first process of a container.

mod machine;
mod runbook;
mod unit;
