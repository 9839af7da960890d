//! Writing a response: midge against http-net and ureq-proto. Each of them writes one only to a request that it read, so what is measured is
//! the request of 40 bytes read and answered; the bench `head` says what reading takes.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

#[path = "shared/memory.rs"]
mod memory;
mod shared;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http_net::{BodyPlan, OutgoingBody, ResponseHeadRef, ServerConn};
use memory::{Answer, by_http_net, by_ureq, measure, with_midge};
use midge::{FieldLines, Request, Response};
use midge_benches::requests::SMALL;
use ureq_proto::http;

/// Fields, the same as lines that a program knows beforehand, and a body.
struct Case {
    name: &'static str,
    fields: &'static [(&'static str, &'static str)],
    lines: FieldLines,
    body: &'static [u8],
}

const CASES: [Case; 2] = [
    Case {
        name: "13 bytes",
        fields: &[("content-type", "text/plain")],
        lines: FieldLines::new("content-type: text/plain\r\n"),
        body: b"Hello, World!",
    },
    Case {
        name: "5 fields, 1 KiB",
        fields: &[
            ("content-type", "application/json"),
            ("cache-control", "max-age=600, must-revalidate"),
            ("etag", "\"5f2b8c1e9d7a4036\""),
            ("vary", "accept-encoding"),
            ("x-request-id", "8476a536e9f411e897392dfe598c3fcd"),
        ],
        lines: FieldLines::new(
            "content-type: application/json\r\ncache-control: max-age=600, must-revalidate\r\netag: \"5f2b8c1e9d7a4036\"\r\n\
             vary: accept-encoding\r\nx-request-id: 8476a536e9f411e897392dfe598c3fcd\r\n",
        ),
        body: &[b'x'; 1_024],
    },
];

fn response(c: &mut Criterion) {
    for case in &CASES {
        let wanted = case.wanted();
        let mut group = c.benchmark_group(format!("response/{}", case.name));
        group.throughput(Throughput::Elements(1));

        let one_by_one = async |_: Request<'_>, response: Response<'_>| {
            let head = case.fields.iter().fold(response.status(200), |head, (name, value)| head.header(name, value));
            head.body(case.body).await
        };
        with_midge(&one_by_one, SMALL, |exchange| measure(&mut group, "midge", &wanted, exchange));
        let prepared =
            async |_: Request<'_>, response: Response<'_>| response.status(200).lines(case.lines).body(case.body).await;
        with_midge(&prepared, SMALL, |exchange| measure(&mut group, "midge, fields prepared", &wanted, exchange));

        let (mut connection, mut out) = (ServerConn::new(), Vec::with_capacity(4_096));
        let fields: Vec<_> = case.fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let write = |connection: &mut ServerConn, out: &mut Vec<u8>| {
            let head = ResponseHeadRef::new(200, &fields, OutgoingBody::Full(case.body.len() as u64));
            if connection.write_head(&head, None, out) == Ok(BodyPlan::Raw) {
                out.extend_from_slice(case.body);
            }
        };
        measure(&mut group, "http-net", &wanted, |sink| {
            by_http_net(&mut connection, black_box(SMALL), &mut out, write, sink);
        });
        let response = case
            .fields
            .iter()
            .fold(http_net::Response::new(200), |response, (name, value)| response.header(name, value.as_bytes()));
        let response = response.body(case.body);
        measure(&mut group, "http-net, all prepared", &wanted, |sink| {
            let write =
                |connection: &mut ServerConn, out: &mut Vec<u8>| connection.respond(&response, out).unwrap_or_default();
            by_http_net(&mut connection, black_box(SMALL), &mut out, write, sink);
        });

        let mut out = [0; 4_096];
        measure(&mut group, "ureq-proto", &wanted, |sink| {
            by_ureq(black_box(SMALL), || case.response(), case.body, &mut out, sink).unwrap_or_default();
        });
        group.finish();
    }
}

impl Case {
    fn wanted(&self) -> Answer {
        let length = ("content-length".to_owned(), self.body.len().to_string());
        let given = self.fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut fields: Vec<_> = given.chain([length]).collect();
        fields.sort();
        Answer { status: 200, fields, body: self.body.to_vec() }
    }

    fn response(&self) -> Option<http::Response<()>> {
        let length = http::HeaderValue::from(self.body.len());
        let response = http::Response::builder().status(200).header("content-length", length);
        let response = self.fields.iter().fold(response, |response, (name, value)| response.header(*name, *value));
        response.body(()).ok()
    }
}

criterion_group!(name = benches; config = shared::criterion(); targets = response);
criterion_main!(benches);
