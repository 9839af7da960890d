//! The pairs of a query, as they stand in the target.

use crate::{exchange::Request, percent::PercentEncoded};

/// The pairs of `name=value` in a query, in their order, decoded only where that is asked for.
///
/// They are cut as the WHATWG URL standard (section 5.1) cuts them: at `&`, and at the first `=`; a piece without `=` is a name with an empty
/// value, and empty pieces are passed over.
///
/// ```
/// # use midge::{testing, Request, Response};
/// # let mut scratch = testing::Scratch::new();
/// # let handler =
/// async |request: Request<'_>, response: Response<'_>| {
///     let pairs = request.query_pairs();
///     let mut buffer = [0; 64];
///     let name = match pairs.get("name") {
///         Some(name) => name.decode(&mut buffer)?,
///         None => "nobody",
///     };
///     response.status(200).text(name).await
/// }
/// # ;
/// # let answer = testing::call(&handler, b"GET /?a=1&name=Ada+L%2E HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
/// # assert_eq!(answer.body(), b"Ada L.");
/// # let answer = testing::call(&handler, b"GET /?name=%zz HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
/// # assert_eq!(answer.status(), 400);
/// # Ok::<(), testing::CallError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairs<'a>(&'a str);

impl<'a> Pairs<'a> {
    /// The pairs of a query, or of a body of the same form.
    #[must_use]
    pub const fn new(query: &'a str) -> Self {
        Self(query)
    }

    /// Name and value of every pair.
    pub fn iter(&self) -> impl Iterator<Item = (PercentEncoded<'a>, PercentEncoded<'a>)> + use<'a> {
        self.0.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (PercentEncoded::form(name), PercentEncoded::form(value))
        })
    }

    /// The value of the first pair whose name decodes to `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<PercentEncoded<'a>> {
        self.all(name).next()
    }

    /// The values of all pairs whose name decodes to `name`, in order.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = PercentEncoded<'a>> + use<'a, 'n> {
        self.iter().filter(move |(each, _)| each.is(name)).map(|(_, value)| value)
    }
}

impl<'x> Request<'x> {
    /// The query's pairs; none without a query.
    #[must_use]
    pub fn query_pairs(&self) -> Pairs<'x> {
        Pairs::new(self.query().unwrap_or_default())
    }
}
