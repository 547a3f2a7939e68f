//! The stream of events, in pieces of any size.

use zigcheck::app::domain::transition::Transition;
use zigcheck::notify::follow::{Message, Stream, pause_ms};
use zigcheck::notify::limits::{FOLLOW_PAUSE_LIMIT_MS, LINE_LIMIT_BYTES};
use zigcheck::notify::news;

const TEXT: &str = ": hello\n\nid: 7\ndata: {\"a\":1}\n\n: again\n\nid: 8\r\nevent: x\r\ndata: b\r\ndata: c\r\n\r\nid: 9\n\n";

#[test]
fn events_are_the_same_however_they_are_cut() {
    let expected = [(7, "{\"a\":1}"), (8, "b\nc")].map(|(id, data)| Message {
        id: Some(id),
        data: data.to_string(),
    });
    for size in 1..=TEXT.len() {
        let mut stream = Stream::default();
        let pieces = TEXT.as_bytes().chunks(size);
        let messages: Vec<Message> = pieces
            .flat_map(|piece| stream.read(piece).unwrap())
            .collect();
        assert_eq!(messages, expected, "{size}");
    }
}

#[test]
fn a_line_without_an_end_is_no_stream() {
    let mut stream = Stream::default();
    assert!(stream.read(&vec![b'x'; LINE_LIMIT_BYTES]).is_ok());
    assert!(stream.read(b"x").is_err());
    let mut stream = Stream::default();
    let line = format!("data: {}\n", "x".repeat(1_000));
    let read =
        (0..=LINE_LIMIT_BYTES / 1_000).try_for_each(|_| stream.read(line.as_bytes()).map(drop));
    assert!(read.is_err());
}

#[test]
fn an_event_is_read_or_left() {
    let event = |more: &str| {
        format!(
            r#"{{"seq":12,"id":2,"package":"zeit","zig_version":"0.16.0","state":"finished","at":"2026"{more}}}"#
        )
    };
    let read = |data: &str| match news::Message::read(data) {
        news::Message::News(news) => Some((news.seq, news.transition, news.is_reported())),
        news::Message::Reset | news::Message::Other => None,
    };
    assert_eq!(read(&event(r#","type":"build""#)), Some((12, None, true)));
    let broken = Some(Transition::NewlyBroken);
    assert_eq!(
        read(&event(r#","type":"newly_broken""#)),
        Some((12, broken, true))
    );
    let queued = event(r#","type":"build""#).replace("finished", "queued");
    assert_eq!(read(&queued), Some((12, None, false)));
    assert_eq!(
        news::Message::read(r#"{"type":"reset"}"#),
        news::Message::Reset
    );
    for data in [
        "",
        "{}",
        &event(r#","type":"later""#),
        &event(r#","type":"build""#).replace("zeit", "../x"),
        &event(r#","type":"build""#).replace("0.16.0", "0 1"),
    ] {
        assert_eq!(news::Message::read(data), news::Message::Other, "{data}");
    }
}

#[test]
fn streams_begin_anew_after_growing_pauses() {
    let pauses: Vec<u64> = (0..4).map(pause_ms).collect();
    assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000]);
    assert_eq!(pause_ms(u32::MAX), FOLLOW_PAUSE_LIMIT_MS);
}
