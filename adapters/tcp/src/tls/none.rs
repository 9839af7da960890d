//! What stands for TLS where the feature is off: types that can't be had, so that nothing of it is compiled.

use std::{convert::Infallible, io, marker::PhantomData, task::Poll};

use midge::{Clock, Ended, Instant, Limits};
use mio::net::TcpStream;

use crate::{
    io::{Lost, SlotIo, Stream},
    slots::SlotCell,
};

/// No stream is one.
pub(crate) struct TlsStream(Infallible);

impl TlsStream {
    pub(crate) fn socket(&self) -> &TcpStream {
        match self.0 {}
    }

    pub(crate) fn socket_mut(&mut self) -> &mut TcpStream {
        match self.0 {}
    }

    pub(crate) fn read(&self, _: &SlotIo<'_, '_>, _: &mut [u8]) -> Poll<Result<usize, Lost>> {
        match self.0 {}
    }

    pub(crate) fn write(&self, _: &SlotIo<'_, '_>, _: &[u8]) -> Poll<Result<usize, Lost>> {
        match self.0 {}
    }

    pub(crate) fn push(&self, _: &SlotIo<'_, '_>, _: &Limits, _: Instant) -> Option<Result<Ended, Lost>> {
        match self.0 {}
    }

    pub(crate) fn part(&self) {
        match self.0 {}
    }
}

/// Nothing.
pub(crate) struct RecordsMemory;

impl RecordsMemory {
    pub(crate) const fn new(_: usize, _: bool) -> Self {
        Self
    }

    pub(crate) const fn lend(&mut self, _: &mut [SlotCell<'_>]) {}
}

/// A slot's share of nothing.
#[derive(Default)]
pub(crate) struct Records<'m>(PhantomData<&'m mut [u8]>);

impl Records<'_> {
    pub(crate) const fn is_open(&self) -> bool {
        false
    }

    pub(crate) const fn is_half_read(&self) -> bool {
        false
    }

    pub(crate) const fn until(&self, engine: Option<Instant>) -> Option<Instant> {
        engine
    }

    pub(crate) const fn note_wait(&self, _: &Limits, _: Instant) {}

    pub(crate) const fn reset(&self) {}
}

/// No server has one.
#[derive(Debug, Clone)]
pub(crate) struct Tls(Infallible);

/// Nor is one renewed.
pub(crate) struct Reload(Infallible);

impl Reload {
    pub(crate) fn start(tls: &Tls) -> io::Result<Self> {
        match tls.0 {}
    }
}

pub(crate) fn wrap(stream: Stream, tls: Option<&Tls>) -> io::Result<Stream> {
    match tls {
        Some(tls) => Ok(Stream::Tls(TlsStream(tls.0))),
        None => Ok(stream),
    }
}

pub(crate) async fn settle<C: Clock>(
    stream: &TlsStream,
    _: &SlotIo<'_, '_>,
    _: Result<Ended, Lost>,
    _: &Limits,
    _: &C,
) -> Option<Ended> {
    match stream.0 {}
}
