//! What packages are fetched from besides git: one file over HTTP, on the loopback.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::exchange::target_of;

pub struct Web {
    pub url: String,
    closed: Arc<AtomicBool>,
}

/// Serves one file under its own name, and 404 for any other, until dropped.
pub fn file_server(file: PathBuf) -> Web {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let closed = Arc::new(AtomicBool::new(false));
    let is_closed = closed.clone();
    std::thread::spawn(move || {
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(&file).expect("a file");
        for client in listener.incoming() {
            if is_closed.load(Ordering::SeqCst) {
                return;
            }
            let _ = client.map(|mut client| serve(&mut client, &name, &bytes));
        }
    });
    Web {
        url: format!("http://{address}"),
        closed,
    }
}

fn serve(client: &mut TcpStream, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let Some(asked) = target_of(client)? else {
        return Ok(());
    };
    let (status, body) = match asked == format!("/{name}") {
        true => ("200 OK", bytes),
        false => ("404 Not Found", &b"nothing here\n"[..]),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/gzip\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body)
}

impl Drop for Web {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the thread, which lets go of the port.
        let address = self.url.trim_start_matches("http://");
        let _ = TcpStream::connect(address);
        while TcpStream::connect(address).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
