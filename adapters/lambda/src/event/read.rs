//! Reads events: one pass over the JSON that notes what is where, then the decision what it is, then the request.

use core::ops::Range;

use midge::{Field, Method, Span};

use super::{
    Event, Source, base64,
    error::{EventError, NotHttp},
    fields::{Headers, address, cookies, last_address, move_fields, no_delete, parameters},
    json::{Json, Member, Stop, Text},
    target::{Parameters, Target, is_token},
};

/// Reads the event that takes up `buffer[event]`, in place. `buffer[..room]`, before it, takes what has to be put together; `table`
/// takes the header fields. All spans count in `buffer`.
pub(crate) fn read(
    buffer: &mut [u8],
    room: usize,
    event: Range<usize>,
    table: &mut [Field],
) -> Result<Event, EventError> {
    let document = buffer.get_mut(..event.end).ok_or(EventError::Truncated)?;
    let mut found = Found::default();
    let mut json = Json::new(document, event.start);
    found.read(&mut json, table).map_err(|Stop| json.error())?;
    let source = found.source()?;
    let builder = Builder { buffer, room: room.min(event.start), written: 0 };
    found.request(source, builder, event.end, table)
}

/// What stands where in an event.
#[derive(Default)]
struct Found {
    version: Version,
    /// `httpMethod`.
    method: Option<Span>,
    /// `method`, as VPC Lattice calls it.
    lattice_method: Option<Span>,
    path: Option<Span>,
    raw_path: Option<Span>,
    raw_query: Option<Span>,
    parameters: Option<Span>,
    multi_parameters: Option<Span>,
    headers: Headers,
    multi_headers: bool,
    /// All of them joined, and the name that they get.
    cookies: Option<(Span, Span)>,
    body: Option<Span>,
    base64: bool,
    context: Context,
    /// What says that it is no request.
    not_http: Option<NotHttp>,
    lattice_v1: bool,
}

/// The event's `version`.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Version {
    #[default]
    None,
    One,
    Other,
}

impl Version {
    fn named(name: &[u8]) -> Self {
        if name == b"1.0" { Self::One } else { Self::Other }
    }
}

/// What stands where in `requestContext`, of which nothing is changed.
#[derive(Default)]
struct Context {
    span: Option<Span>,
    /// Whether it has what a load balancer's has.
    balancer: bool,
    /// Whether it has what VPC Lattice's has.
    lattice: bool,
    /// Whether it has what API Gateway's has.
    gateway: bool,
    web_socket: bool,
    http_method: Option<Text>,
    source_ip: Option<Text>,
    stage: Option<Text>,
    domain: Option<Text>,
}

impl Found {
    /// Passes the whole event.
    fn read(&mut self, json: &mut Json<'_>, table: &mut [Field]) -> Result<(), Stop> {
        if json.peek()? != b'{' {
            // JSON, perhaps, but no object. Nothing will be found.
            json.skip()?;
            return json.finish();
        }
        json.open()?;
        let mut first = true;
        loop {
            let name = json.members::<true>(&mut first, |member| self.text(member))?;
            let Some(Text { span: name, .. }) = name else { break };
            match Name::of(name.of(json.bytes())) {
                Name::Version => self.version = version(json)?,
                Name::HttpMethod => self.method = string(json, "httpMethod")?,
                Name::Method => self.lattice_method = string(json, "method")?,
                Name::Path => self.path = string(json, "path")?,
                Name::RawPath => self.raw_path = string(json, "rawPath")?,
                Name::RawQuery => self.raw_query = string(json, "rawQueryString")?,
                Name::Parameters => self.parameters = parameters(json, "queryStringParameters")?,
                Name::MultiParameters => self.multi_parameters = parameters(json, "multiValueQueryStringParameters")?,
                // `multiValueHeaders` has all that `headers` has, and more.
                Name::Headers if self.multi_headers && self.headers.count > 0 => json.skip()?,
                Name::Headers => drop(self.headers.read(json, "headers", table)?),
                Name::MultiHeaders => {
                    let mut headers = Headers::default();
                    self.multi_headers = headers.read(json, "multiValueHeaders", table)?;
                    if headers.count > 0 {
                        self.headers = headers;
                    }
                }
                Name::Cookies => {
                    let name = Span::with_length(name.start(), "cookie".len());
                    self.cookies = cookies(json)?.map(|value| (name, value));
                }
                Name::Body => self.body = string(json, "body")?,
                Name::Base64 => self.base64 = boolean(json, "isBase64Encoded")?,
                Name::Context => self.context.read(json)?,
                Name::Records => self.mark(json, NotHttp::Records)?,
                Name::Authorizer => self.mark(json, NotHttp::Authorizer)?,
                Name::LatticeV1 => {
                    self.lattice_v1 = true;
                    json.skip()?;
                }
                Name::String | Name::Other => json.skip()?,
            }
        }
        json.finish()?;
        no_delete(json, &self.headers, table, self.cookies.map(|(_, value)| value))
    }

    /// Notes a member that is a plain string; false if it may not be one, or if it is not known what it is.
    #[inline]
    fn text(&mut self, member: Member<'_>) -> bool {
        let value = Some(member.value_span());
        match Name::of(member.name()) {
            Name::Version => self.version = Version::named(member.value()),
            Name::HttpMethod => self.method = value,
            Name::Method => self.lattice_method = value,
            Name::Path => self.path = value,
            Name::RawPath => self.raw_path = value,
            Name::RawQuery => self.raw_query = value,
            Name::Body => self.body = value,
            Name::String => {}
            _ => return false,
        }
        true
    }

    fn mark(&mut self, json: &mut Json<'_>, what: NotHttp) -> Result<(), Stop> {
        // Emulators name what an event of theirs has not, with null.
        if json.peek()? != b'n' {
            self.not_http = Some(what);
        }
        json.skip()
    }

    /// Decides what the event is, after all of it was seen.
    fn source(&self) -> Result<Source, EventError> {
        let context = &self.context;
        match self.not_http {
            Some(what) => Err(EventError::NotHttp(what)),
            None if context.balancer => Ok(if self.multi_headers { Source::AlbMulti } else { Source::AlbSingle }),
            None if context.http_method.is_some() => Ok(Source::HttpApi),
            None if context.lattice && self.lattice_method.is_some() => Ok(Source::Lattice),
            None if context.web_socket && self.method.is_none() => Err(EventError::NotHttp(NotHttp::WebSocket)),
            None if context.gateway && self.method.is_some() => Ok(Source::RestApi),
            None if self.lattice_v1 && self.lattice_method.is_some() => Err(EventError::NotHttp(NotHttp::LatticeV1)),
            None => Err(EventError::NotHttp(NotHttp::Unknown)),
        }
    }

    /// Makes the request of what was found.
    fn request(
        &mut self,
        source: Source,
        mut builder: Builder<'_>,
        end: usize,
        table: &mut [Field],
    ) -> Result<Event, EventError> {
        let domain = self.context.domain.filter(|domain| !domain.escaped).map_or(Span::EMPTY, |domain| domain.span);
        let source = match source {
            // Theirs is `<id>.lambda-url.<region>.on.aws`.
            Source::HttpApi if is_function_url(domain.of(builder.buffer)) => Source::FunctionUrl,
            source => source,
        };
        let method = match source {
            Source::HttpApi | Source::FunctionUrl => self.context.http_method.and_then(|text| builder.unescaped(text)),
            Source::Lattice => self.lattice_method.and_then(|span| builder.copied(span)),
            _ => self.method.and_then(|span| builder.copied(span)),
        };
        let method = method.filter(|span| is_method(span.of(builder.buffer))).ok_or(EventError::Method)?;
        let target = self.target(source, &mut builder)?;
        if let Some((name, value)) = self.cookies {
            self.headers.set_cookie(builder.buffer, table, Field::new(name, value), value.end())?;
        }
        let authority = builder.copied(self.headers.host.unwrap_or(domain)).ok_or(EventError::TargetTooLong)?;
        let client = match self.context.source_ip {
            Some(text) => address(text.span.of(builder.buffer)),
            None => self.headers.forwarded_for.and_then(|value| last_address(value.of(builder.buffer))),
        };
        let mut event = Event {
            source,
            method,
            target,
            authority,
            fields: self.headers.count,
            body: self.body.unwrap_or(Span::new(end, end)),
            request_context: self.context.span.unwrap_or(Span::EMPTY),
            client,
        };
        if self.base64 {
            let encoded = builder.buffer.get_mut(event.body.start()..event.body.end()).unwrap_or_default();
            let length = base64::decode_in_place(encoded).ok_or(EventError::Base64)?;
            event.body = Span::new(event.body.start(), event.body.start() + length);
        }
        if self.headers.end > event.body.start() {
            move_body(&mut event, builder.buffer, end, table);
        }
        Ok(event)
    }

    /// Puts path and query together.
    fn target(&self, source: Source, builder: &mut Builder<'_>) -> Result<Span, EventError> {
        let (path, name) = match source {
            Source::HttpApi | Source::FunctionUrl => (self.raw_path, "rawPath"),
            _ => (self.path, "path"),
        };
        let path = path.ok_or(EventError::Missing(name))?;
        // An HTTP API puts the stage before its paths, with either payload format; a REST API doesn't.
        let has_stage = source == Source::HttpApi || (source == Source::RestApi && self.version == Version::One);
        let stage = self.context.stage.filter(|stage| has_stage && !stage.escaped);
        let parameters = self.multi_parameters.or(self.parameters);
        builder.target(|target, event| {
            let path = event.part(path);
            target.path(stage.and_then(|stage| without_stage(path, event.part(stage.span))).unwrap_or(path));
            let parameters = event.part(parameters.unwrap_or(Span::EMPTY));
            match source {
                Source::HttpApi | Source::FunctionUrl => {
                    target.query(event.part(self.raw_query.unwrap_or(Span::EMPTY)))
                }
                Source::AlbSingle | Source::AlbMulti => target.parameters(parameters, Parameters::Raw),
                Source::RestApi | Source::Lattice => target.parameters(parameters, Parameters::Decoded),
            }
        })
    }
}

/// Names of an event's members.
#[derive(Clone, Copy)]
enum Name {
    Version,
    HttpMethod,
    Method,
    Path,
    RawPath,
    RawQuery,
    Parameters,
    MultiParameters,
    Headers,
    MultiHeaders,
    Cookies,
    Body,
    Base64,
    Context,
    Records,
    /// One that what API Gateway asks an authorizer has.
    Authorizer,
    /// One that only VPC Lattice's events of structure version 1 have.
    LatticeV1,
    /// Another that is a string mostly.
    String,
    Other,
}

impl Name {
    /// Told by the length first, and then as a whole: a `match` on the name would look at one byte after the other.
    #[inline(always)]
    fn of(name: &[u8]) -> Self {
        match name.len() {
            4 if name == b"path" => Self::Path,
            4 if name == b"body" => Self::Body,
            6 if name == b"method" => Self::Method,
            7 if name == b"version" => Self::Version,
            7 if name == b"rawPath" => Self::RawPath,
            7 if name == b"cookies" => Self::Cookies,
            7 if name == b"headers" => Self::Headers,
            7 if name == b"Records" => Self::Records,
            8 if name == b"routeKey" || name == b"resource" => Self::String,
            8 if name == b"routeArn" => Self::Authorizer,
            8 if name == b"raw_path" => Self::LatticeV1,
            9 if name == b"methodArn" => Self::Authorizer,
            10 if name == b"httpMethod" => Self::HttpMethod,
            14 if name == b"rawQueryString" => Self::RawQuery,
            14 if name == b"requestContext" => Self::Context,
            15 if name == b"isBase64Encoded" => Self::Base64,
            17 if name == b"multiValueHeaders" => Self::MultiHeaders,
            18 if name == b"authorizationToken" => Self::Authorizer,
            21 if name == b"queryStringParameters" => Self::Parameters,
            31 if name == b"multiValueQueryStringParameters" => Self::MultiParameters,
            _ => Self::Other,
        }
    }
}

impl Context {
    fn read(&mut self, json: &mut Json<'_>) -> Result<(), Stop> {
        *self = Self::default();
        if json.peek()? != b'{' {
            return json.skip();
        }
        let start = json.at();
        self.members(json)?;
        self.span = Some(Span::new(start, json.at()));
        Ok(())
    }

    /// Passes `requestContext`.
    fn members(&mut self, json: &mut Json<'_>) -> Result<(), Stop> {
        json.open()?;
        let mut first = true;
        loop {
            let name = json.members::<false>(&mut first, |member| {
                self.text(Key::named(member.name()), member.value_span());
                true
            })?;
            let Some(name) = name else { return Ok(()) };
            match Key::named(unescaped(name, json.bytes(), &mut [0; LONGEST_NAME])) {
                Key::Http if json.peek()? == b'{' => self.inner(json, true)?,
                Key::Identity if json.peek()? == b'{' => self.inner(json, false)?,
                Key::Stage => {
                    self.gateway = true;
                    self.stage = raw_string(json)?;
                }
                Key::DomainName => self.domain = raw_string(json)?,
                key => {
                    match key {
                        Key::Elb => self.balancer = json.peek()? == b'{',
                        Key::Gateway => self.gateway = true,
                        Key::Lattice => self.lattice = true,
                        Key::ConnectionId => self.web_socket = true,
                        _ => {}
                    }
                    json.skip()?;
                }
            }
        }
    }

    /// Notes a member that is a string without escapes.
    #[inline(always)]
    fn text(&mut self, key: Key, value: Span) {
        let text = Some(Text::plain(value));
        match key {
            Key::Gateway => self.gateway = true,
            Key::Lattice => self.lattice = true,
            Key::ConnectionId => self.web_socket = true,
            Key::Stage => {
                self.gateway = true;
                self.stage = text;
            }
            Key::Elb => self.balancer = false,
            Key::DomainName => self.domain = text,
            Key::Http | Key::Identity | Key::Other => {}
        }
    }

    /// Passes `http`, or `identity`.
    fn inner(&mut self, json: &mut Json<'_>, is_http: bool) -> Result<(), Stop> {
        json.open()?;
        let mut first = true;
        loop {
            let name = json.members::<false>(&mut first, |member| {
                if let Some(place) = self.inner_place(member.name(), is_http) {
                    *place = Some(Text::plain(member.value_span()));
                }
                true
            })?;
            let Some(name) = name else { return Ok(()) };
            match self.inner_place(unescaped(name, json.bytes(), &mut [0; LONGEST_NAME]), is_http) {
                Some(place) => *place = raw_string(json)?,
                None => json.skip()?,
            }
        }
    }

    #[inline(always)]
    fn inner_place(&mut self, name: &[u8], is_http: bool) -> Option<&mut Option<Text>> {
        match name.len() {
            6 if is_http && name == b"method" => Some(&mut self.http_method),
            8 if name == b"sourceIp" => Some(&mut self.source_ip),
            _ => None,
        }
    }
}

/// Names of members of `requestContext`.
#[derive(Clone, Copy)]
enum Key {
    Http,
    Identity,
    Stage,
    DomainName,
    Elb,
    ConnectionId,
    /// Another that API Gateway has.
    Gateway,
    /// One that VPC Lattice has.
    Lattice,
    Other,
}

impl Key {
    /// As [`Name::of`].
    #[inline(always)]
    fn named(name: &[u8]) -> Self {
        match name.len() {
            3 if name == b"elb" => Self::Elb,
            4 if name == b"http" => Self::Http,
            5 if name == b"stage" => Self::Stage,
            5 if name == b"apiId" => Self::Gateway,
            8 if name == b"identity" => Self::Identity,
            10 if name == b"domainName" => Self::DomainName,
            10 if name == b"resourceId" => Self::Gateway,
            10 if name == b"serviceArn" => Self::Lattice,
            12 if name == b"connectionId" => Self::ConnectionId,
            12 if name == b"resourcePath" => Self::Gateway,
            14 if name == b"targetGroupArn" => Self::Lattice,
            17 if name == b"serviceNetworkArn" => Self::Lattice,
            _ => Self::Other,
        }
    }
}

/// Writes into the room before the event.
struct Builder<'b> {
    buffer: &'b mut [u8],
    room: usize,
    written: usize,
}

impl Builder<'_> {
    /// A copy of what is at `span`, if there is room.
    fn copied(&mut self, span: Span) -> Option<Span> {
        let (room, bytes) = self.buffer.split_at_mut_checked(self.room)?;
        let bytes = Behind { room: self.room, bytes }.part(span);
        let end = self.written + bytes.len();
        room.get_mut(self.written..end)?.copy_from_slice(bytes);
        Some(self.wrote(end))
    }

    /// What a string that was left as it is stands for, if it is as short as a method.
    fn unescaped(&mut self, text: Text) -> Option<Span> {
        if !text.escaped {
            return self.copied(text.span);
        }
        let mut method = [0; Method::MAX_LEN];
        let length = text.unescaped(self.buffer, &mut method)?;
        let end = self.written + length;
        self.buffer.get_mut(self.written..end.min(self.room))?.copy_from_slice(method.get(..length)?);
        Some(self.wrote(end))
    }

    /// A target that `write` writes of what is in the event.
    fn target(&mut self, write: impl FnOnce(&mut Target<'_>, Behind<'_>)) -> Result<Span, EventError> {
        let (room, bytes) = self.buffer.split_at_mut_checked(self.room).ok_or(EventError::TargetTooLong)?;
        let mut target = Target::new(room, self.written);
        write(&mut target, Behind { room: self.room, bytes });
        let end = target.end().ok_or(EventError::TargetTooLong)?;
        Ok(self.wrote(end))
    }

    const fn wrote(&mut self, end: usize) -> Span {
        let span = Span::new(self.written, end);
        self.written = end;
        span
    }
}

/// What is in a buffer behind the room.
#[derive(Clone, Copy)]
struct Behind<'b> {
    room: usize,
    bytes: &'b [u8],
}

impl<'b> Behind<'b> {
    fn part(self, span: Span) -> &'b [u8] {
        let behind = span.start().checked_sub(self.room).and_then(|from| self.bytes.get(from..)).unwrap_or_default();
        behind.get(..span.end() - span.start()).unwrap_or_default()
    }
}

/// Moves the body behind all else, so that head and body are apart. The platform's own events have no field after the body.
#[cold]
fn move_body(event: &mut Event, buffer: &mut [u8], end: usize, table: &mut [Field]) {
    let (start, behind) = (event.body.start(), event.body.end());
    let length = behind - start;
    let fields = table.get_mut(..event.fields).unwrap_or_default();
    let moved =
        |span: Span| if span.start() >= behind { Span::new(span.start() - length, span.end() - length) } else { span };
    move_fields(buffer, fields, behind, length);
    event.request_context = moved(event.request_context);
    event.body = Span::new(end - length, end);
    if let Some(part) = buffer.get_mut(start..end) {
        part.rotate_left(length);
    }
}

/// What a name stands for; nothing if it is longer than any that matters.
#[inline]
fn unescaped<'n>(name: Text, bytes: &'n [u8], memory: &'n mut [u8; LONGEST_NAME]) -> &'n [u8] {
    if !name.escaped {
        return name.span.of(bytes);
    }
    let length = name.unescaped(bytes, memory).unwrap_or(0);
    memory.get(..length).unwrap_or_default()
}

/// A string that is left as it is; none if it is no string.
fn raw_string(json: &mut Json<'_>) -> Result<Option<Text>, Stop> {
    if json.peek()? == b'"' { json.string::<false>().map(Some) } else { json.skip().map(|()| None) }
}

/// A string or `null`.
fn string(json: &mut Json<'_>, member: &'static str) -> Result<Option<Span>, Stop> {
    match json.peek()? {
        b'"' => Ok(Some(json.string::<true>()?.span)),
        b'n' => json.scalar().map(|()| None),
        _ => Err(json.wrong_type(member)),
    }
}

fn version(json: &mut Json<'_>) -> Result<Version, Stop> {
    Ok(raw_string(json)?.map_or(Version::Other, |text| Version::named(text.span.of(json.bytes()))))
}

/// A boolean; `null` is false.
fn boolean(json: &mut Json<'_>, member: &'static str) -> Result<bool, Stop> {
    match json.peek()? {
        byte @ (b't' | b'f' | b'n') => json.scalar().map(|()| byte == b't'),
        _ => Err(json.wrong_type(member)),
    }
}

/// The path behind the stage, if it begins with it.
fn without_stage<'p>(path: &'p [u8], stage: &[u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(b"/")?.strip_prefix(stage)?;
    (!stage.is_empty() && matches!(rest, [] | [b'/', ..])).then_some(rest)
}

fn is_method(method: &[u8]) -> bool {
    method.len() <= Method::MAX_LEN && is_token(method)
}

fn is_function_url(domain: &[u8]) -> bool {
    memchr::memchr(b'.', domain).and_then(|dot| domain.get(dot..)).is_some_and(|rest| rest.starts_with(b".lambda-url."))
}

/// Longer than any name in `requestContext` that matters.
const LONGEST_NAME: usize = 24;
