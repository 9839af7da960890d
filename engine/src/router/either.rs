//! One of two futures, in the room that the larger one takes.

use core::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

pin_project! {
    /// One of two futures.
    ///
    /// Sixty of these within each other are as large as their largest future: an inner one's tag has room for the outer ones'. Everything
    /// here is inlined, so that they become one branch on that tag. `async` blocks in their place would each hold the request
    /// again, and the compiler gives up on them at sixty.
    #[project = EitherProjection]
    pub(crate) enum Either<A, B> {
        This { #[pin] future: A },
        Other { #[pin] future: B },
    }
}

impl<A, B> Future for Either<A, B>
where
    A: Future,
    B: Future<Output = A::Output>,
{
    type Output = A::Output;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<A::Output> {
        match self.project() {
            EitherProjection::This { future } => future.poll(context),
            EitherProjection::Other { future } => future.poll(context),
        }
    }
}
