//! The page that says how to submit a package, as text.

use crate::app::render::view::submit::SubmitView;

pub fn text(view: &SubmitView) -> String {
    let mut text = String::new();
    for field in &view.fields {
        if let Some(fault) = &field.fault {
            text += &format!("{}: {fault}\n\n", field.name);
        }
    }
    if let Some(fault) = &view.fault {
        text += &format!("{fault}\n\n");
    }
    text += &format!("Submit a package:\n  {}\n\n", view.command);
    text += &format!(
        "Check the tree you are in:\n  {}\n\n",
        view.site.check_command()
    );
    text + &format!("{}\nHosts that are allowed: {}\n", view.takes, view.hosts)
}
