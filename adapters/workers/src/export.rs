//! The macro that makes a Worker of a handler.

/// Makes a Worker of a handler: the one thing that a `cdylib` for `wasm32-unknown-unknown` has to say.
///
/// ```
/// # #![allow(unexpected_cfgs)]
/// use midge::{Failure, Request, Response, Sent};
///
/// async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await
/// }
///
/// midge_workers::export!(hello);
/// # fn main() {}
/// ```
///
/// Options follow the handler, in this order, each of them optional:
///
/// - `objects: [Counter, Room]`: Durable Object classes, types that are [`Object`](crate::Object) and have a value of the same name
///   (`struct Counter;`), of 64 letters at most;
/// - `events: MyEvents`: a value that is [`Events`](crate::Events), for cron triggers and queues;
/// - `headers: ["accept", "cookie"]`: the request header fields that handlers and objects read. Reading all of them costs more than
///   everything else the host does for a request; without this option they are all there, with `[]` none;
/// - `head: 16384`, `body: 16384`, `output: 16384`: bytes of memory for a request's method, URL and fields, for the part of its body
///   that is in memory at a time, and for the answer's.
///
/// In a `no_std` program it brings the panic handler, which logs the panic. A program with the standard library says `std` first:
/// `export!(std, hello)`; then a panic hook does the logging.
#[macro_export]
macro_rules! export {
    (std, $handler:expr $(, $($options:tt)*)?) => {
        $crate::export!(@program [std] $handler $(, $($options)*)?);
    };
    (@program $std:tt $handler:expr
        $(, objects: [$($object:ident),* $(,)?])?
        $(, events: $events:expr)?
        $(, headers: [$($header:literal),* $(,)?])?
        $(, head: $head:expr)?
        $(, body: $body:expr)?
        $(, output: $output:expr)?
        $(,)?
    ) => {
        #[allow(unsafe_code, reason = "exported names; what they do is safe")]
        const _: () = {
            use $crate::__private::{Front, Headers, Memory, Task};

            type Buffers = Memory<
                { $crate::export!(@or [$($head)?] [16_384]) },
                { $crate::export!(@or [$($body)?] [16_384]) },
                { $crate::export!(@or [$($output)?] [16_384]) },
            >;
            static MEMORY: Buffers = Memory::new();
            #[unsafe(export_name = "midge")]
            pub static FRONT: Front<Buffers> = Front::new(&MEMORY);

            struct Fields;
            impl Headers for Fields {
                const NAMES: Option<&'static [&'static str]> =
                    $crate::export!(@or [$(Some(&[$($header),*]))?] [None]);
            }

            fn event((kind, head, body): (u32, u32, u32)) -> impl ::core::future::Future<Output = u32> {
                $crate::__private::started(head, body);
                $crate::export!(@events kind, $handler, [$($events)?] [$($($object),*)?])
            }

            static TASK: Task<{ $crate::__private::size_of_future(event) }> = Task::new();

            #[unsafe(no_mangle)]
            extern "C" fn midge_start(kind: u32, head: u32, body: u32) -> u32 {
                $crate::export!(@hook $std);
                TASK.run(event, Some((kind, head, body)))
            }

            #[unsafe(no_mangle)]
            extern "C" fn midge_poll() -> u32 {
                TASK.run(event, None)
            }

            $crate::export!(@panic $std);
        };
    };
    (@events $kind:ident, $handler:expr, [] []) => {
        $crate::__private::serve($kind, $handler, || &MEMORY, Fields)
    };
    (@events $kind:ident, $handler:expr, [$($events:expr)?] [$($object:ident),*]) => {
        async move {
            match $kind {
                0 => $crate::__private::serve($kind, $handler, || &MEMORY, Fields).await,
                $(1 | 2 => $crate::__private::event($events, $kind == 2).await,)?
                3 | 4 => {
                    let mut class = [0; 64];
                    let class = $crate::__private::class(&mut class);
                    $(
                        const { assert!(stringify!($object).len() <= 64, "an object's name has 64 letters at most") };
                        if class == stringify!($object).as_bytes() {
                            return if $kind == 3 {
                                let object = $crate::__private::Fetches($object);
                                $crate::__private::serve(0, object, || &MEMORY, Fields).await
                            } else {
                                $crate::__private::alarm($object).await
                            };
                        }
                    )*
                    let _ = class;
                    $crate::__private::UNKNOWN
                }
                _ => $crate::__private::UNKNOWN,
            }
        }
    };
    (@or [] [$default:expr]) => { $default };
    (@or [$given:expr] [$default:expr]) => { $given };
    (@hook [std]) => {
        static HOOK: ::std::sync::Once = ::std::sync::Once::new();
        HOOK.call_once(|| {
            ::std::panic::set_hook(::std::boxed::Box::new(|info| {
                let (file, line) = info.location().map_or(("", 0), |place| (place.file(), place.line()));
                let payload = info.payload();
                let text = payload.downcast_ref::<&str>().copied();
                let text = text.or_else(|| payload.downcast_ref::<::std::string::String>().map(|text| &**text));
                $crate::__private::panicked(&text.unwrap_or("a value that is no text"), file, line)
            }));
        });
    };
    (@hook [no_std]) => {};
    (@panic [std]) => {};
    (@panic [no_std]) => {
        #[cfg(all(target_arch = "wasm32", not(test)))]
        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            let (file, line) = info.location().map_or(("", 0), |place| (place.file(), place.line()));
            $crate::__private::panicked(&info.message(), file, line)
        }
    };
    ($handler:expr $(, $($options:tt)*)?) => {
        $crate::export!(@program [no_std] $handler $(, $($options)*)?);
    };
}
