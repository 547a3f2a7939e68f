//! What is sent and what comes back: of a command with its input, and of a request that is read by hand.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub fn fed(command: &mut Command, input: &[u8]) -> Output {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = child.stderr(Stdio::piped()).spawn();
    let mut child = child.expect("it is installed");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // What is not read is no fault of ours.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("an end");
    writer.join().expect("an end");
    output
}

/// The head of a client's request to a small server; nothing where it does not ask.
pub fn head_of(client: &mut TcpStream) -> std::io::Result<Option<String>> {
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if client.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

/// What a client of a small server asks for; nothing where it does not ask.
pub fn target_of(client: &mut TcpStream) -> std::io::Result<Option<String>> {
    let head = head_of(client)?;
    let target = |head: String| head.split_whitespace().nth(1).unwrap_or("/").to_string();
    Ok(head.map(target))
}
