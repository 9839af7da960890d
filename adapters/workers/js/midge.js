// The host side of midge-workers: instances, requests, answers. ABI.md describes what crosses; calls.js has what else a handler can call, and
// waits.js what waits for something: bodies, streams, deadlines.
//
// Every fresh isolate reads this text, and compiles each function that its first request runs: both cost more than all that those functions
// do, 0.17 ms for each kilobyte (minified) that is run and 0.04 for each that isn't. So here is only what every Worker needs, in few functions, with plain
// objects and no classes. Those on the way of a plain request stand in parentheses: the engine then compiles them as it reads them, where it
// would have to read them again.

/** The ABI that this shim speaks. */
export const ABI = 1;

/**
 * @typedef {object} Calls what `./calls.js` brings
 * @property {Record<number, Import>} imports
 * @property {(serve: Serve) => Record<string, Function>} handlers of events that are no requests
 * @property {(serve: Serve, event: any, env: any, ctx: Context, kind: number, name: string) => Promise<void>} event
 * @property {(request: Request) => number} length of its body, as `midge_start` takes it
 * @property {(served: Served) => Response | Promise<Response>} answer of an event that waits
 * @property {(served: Served, error?: unknown, now?: boolean) => void} end gives up whatever the event still holds, which is over; with an error, now or
 * after what is under way
 * @typedef {object} Options
 * @property {Calls} [calls] `calls` of `./calls.js`
 * @property {number} [idle] instances that are kept for the next request (32)
 * @property {number} [live] requests at a time that wait for something; 503 beyond (256)
 * @typedef {(the: Served, ...values: any[]) => number | void} Import what an operation of ABI.md does
 * @typedef {(event: any, env: any, ctx: Context, kind?: number, name?: string) => any} Serve gives a Response, or a promise of one; for an event that is
 * no request, only if that failed
 * @typedef {{ waitUntil(promise: Promise<unknown>): void }} Context
 * @typedef {{ memory: WebAssembly.Memory, midge: WebAssembly.Global, midge_start(kind: number, head: number, body: number): number,
 *   midge_poll(): number }} Exports
 * @typedef {ResponseInit & { lines: Uint8Array }} Head
 *
 * @typedef {object} Pool the instances of one module
 * @property {Calls} [calls]
 * @property {Instance[]} idle
 * @property {number} keep how many of them at most
 * @property {number} room for more requests
 * @property {FinalizationRegistry<undefined>} [forgotten]
 *
 * @typedef {object} Instance serves one event at a time
 * @property {Exports} exports
 * @property {Uint8Array} view of all its memory
 * @property {number} head where it is given a request's method and URL
 * @property {number} size of that place
 *
 * @typedef {object} Served one event: what the platform gave, and how far its answer has come
 * @property {Pool} pool
 * @property {Instance} instance
 * @property {any} event
 * @property {any} env
 * @property {any} ctx the state too, in a Durable Object
 * @property {string} [name] of the Durable Object's class
 * @property {Request} [request]
 * @property {Response} [response]
 * @property {boolean} [over] nothing more becomes of it
 * @property {ResponseInit} [init]
 * @property {number} [length]
 * @property {number} [passed]
 * @property {unknown} [broken]
 * @property {boolean} [complete] the program has given all of its answer
 * @property {boolean} [gone] nobody takes more of the answer
 * @property {string} [panic] what a panic has to say
 * @property {number} [waits] promises that the program waits for
 * @property {(response: Response) => void} [given] to be told of its response
 * @property {(Body | undefined)[]} [handles]
 * @property {Body} [body] the request's
 * @property {(Timer | undefined)[]} [timers] the program's own, and that of a limit
 * @property {Promise<unknown>} [running]
 * @property {(value: unknown) => void} [finish]
 * @property {WritableStreamDefaultWriter<Uint8Array>} [writer]
 * @property {boolean} [writing]
 * @property {Promise<unknown>} [written]
 * @property {Promise<unknown>} [closing]
 *
 * @typedef {object} Timer
 * @property {number} end when it is due
 * @property {string} late fields of the answer then
 * @property {any} [id]
 *
 * @typedef {object} Body a body that the program reads
 * @property {any} [source] a Request, Response or R2 object: something with a body
 * @property {ReadableStreamDefaultReader<Uint8Array>} [reader]
 * @property {Uint8Array} [chunk]
 * @property {Uint8Array} [whole]
 * @property {boolean} [reading]
 * @property {boolean} [ended]
 * @property {unknown} [error]
 * @property {boolean} [passed] left to whom it was passed on to
 * @property {boolean} [begun] some of it was read by the program
 * @property {boolean} [closed] the program wants nothing more of it
 * @property {() => void} [cancel] ends the call, which is under way
 * @property {WritableStreamDefaultWriter<Uint8Array>} [writer] where the program writes it
 * @property {boolean} [writing]
 * @property {boolean} [gone] nobody takes more of that
 */

const FETCH = 0, OBJECT_FETCH = 3, OBJECT_ALARM = 4;
const PENDING = 0, DONE = 1;
/** The longest that a body is said to be, in 32 bits: longer than any that is let in. */
export const TOO_LONG = 2 ** 32 - 2;
const ENOENT = -2, EIO = -5, EFAULT = -14, EINVAL = -22, ENOSYS = -38, EMSGSIZE = -90;
const MAX_HEADS = 64;

const encoder = new TextEncoder();
/** @type {any} */
const UTF_8 = { ignoreBOM: true };
/** @type {TextDecoder | undefined} */
let decoder;

/** The event whose program runs: one at a time, and none across an `await`. @type {Served} */
let the;
/** All of its memory. @type {Uint8Array} */
let view;

/** A Worker: `export default worker(module, { calls })`. Its `fetch` serves events of any kind, each in an instance of its own. */
export const worker = (function (/** @type {WebAssembly.Module} */ module, /** @type {Options} */ { calls, idle: keep = 32, live: room = 256 } = {}) {
  /** @type {Instance[]} */
  const idle = [];
  /** @type {Pool} */
  const pool = { calls, idle, keep, room };

  const fetch = /** @type {Serve} */ (function (event, env, ctx, kind, name) {
    if (pool.room < 1) return more().failure(503, "too many requests at once");
    // No other event has a URL.
    const url = event?.url;
    let instance = idle.pop(), head = 0, body = 0, state;
    if (!instance) {
      const exports = /** @type {any} */ (new WebAssembly.Instance(module, { midge: imports }).exports), { buffer } = exports.memory;
      // The program's version, and the size and the address of its place for a request's method and URL.
      const front = new Uint32Array(buffer, exports.midge?.value, 3);
      if (front[0] !== ABI) throw new Error("midge: the module speaks ABI " + front[0] + ", this shim " + ABI + ": build both from one release");
      instance = { exports, view: new Uint8Array(buffer), size: front[1], head: front[2] };
    }
    /** @type {Served} */
    const served = (the = { pool, instance, event, env, ctx, name, request: url && event });
    view = instance.view;
    if (url) {
      const line = event.method + " " + url.slice(url.indexOf("/") + 2);
      const { read, written } = encoder.encodeInto(line, /** @type {Uint8Array} */ (range(instance.head, instance.size)));
      if (read < line.length) {
        idle.push(instance);
        return more().failure(414);
      }
      head = written;
      // Without what reads bodies, none is small enough.
      if (event.body) body = calls ? calls.length(event) : TOO_LONG;
    }
    try {
      state = instance.exports.midge_start(kind ?? FETCH, head, body);
    } catch (error) {
      // A trap, or a panic that has logged what it had to say.
      served.broken = error;
    }
    if (state !== DONE || !served.response) return more().late(served, state);
    if (idle.push(instance) > keep) idle.pop();
    served.over = true;
    calls?.end(served);
    return served.response;
  });

  return { fetch, ...calls?.handlers(fetch) };
});

/**
 * A Durable Object class: `export const Counter = durableObject(module, "Counter", { calls })`.
 * @param {WebAssembly.Module} module
 * @param {string} name the type's name in `export!`
 * @param {Options} [options]
 */
export function durableObject(module, name, options) {
  const serve = worker(module, options).fetch;
  return class {
    /** @param {any} ctx @param {any} env */
    constructor(ctx, env) {
      this.ctx = ctx;
      this.env = env;
    }
    /** @param {Request} request */
    fetch(request) {
      return serve(request, this.env, this.ctx, OBJECT_FETCH, name);
    }
    /** @param {unknown} [info] */
    alarm(info) {
      return options?.calls?.event(serve, info, this.env, this.ctx, OBJECT_ALARM, name);
    }
  };
}

/** Goes on with an event that waits. @param {Served} served */
export function poll(served) {
  const { instance } = served;
  let state;
  the = served;
  view = instance.view;
  try {
    state = instance.exports.midge_poll();
  } catch (error) {
    served.broken = error;
  }
  more().after(served, state);
}

/** A range of memory; `undefined` if it isn't one. */
export const range = (function (/** @type {number} */ place, /** @type {number} */ size) {
  // Memory that grew has left its old view empty.
  if (!view.length) view = the.instance.view = new Uint8Array(the.instance.exports.memory.buffer);
  const start = place >>> 0, end = start + (size >>> 0);
  return end <= view.length ? view.subarray(start, end) : undefined;
});

/** What the program imports. Neither ever throws: that would leave the program's stack where it stood. */
const imports = {
  answer: (function (
    /** @type {number} */ status, /** @type {number} */ fields, /** @type {number} */ fieldsSize, /** @type {number} */ place, /** @type {number} */ size,
    /** @type {number} */ length,
  ) {
    try {
      const lines = range(fields, fieldsSize), bytes = range(place, size);
      if (!lines || !bytes) return EFAULT;
      if (the.response) return EINVAL;
      // A fresh isolate may give no other answer: what remembers their heads is for those after the first one.
      const init = decoder ? more().head(status, lines) : { status, headers: headers((decoder = new TextDecoder("utf-8", UTF_8)).decode(lines)) };
      the.response = size ? new Response(bytes, init) : more().bodiless(the, init, length);
      return 0;
    } catch (error) {
      the.broken = error;
      return EIO;
    }
  }),
  host(/** @type {number} */ operation, /** @type {number[]} */ ...values) {
    try {
      const run = the.pool.calls?.imports[operation];
      return run ? run(the, ...values) : more().run(operation, the, .../** @type {[number, number, number, number, number]} */ (values));
    } catch (error) {
      the.broken = error;
      return EIO;
    }
  },
};

/** Of fields as `name: value` CR LF. */
const headers = (function (/** @type {string} */ lines) {
  const headers = new Headers();
  for (let at = 0, end; (end = lines.indexOf("\r\n", at)) >= 0; at = end + 2) {
    const colon = lines.indexOf(":", at);
    headers.append(lines.slice(at, colon), lines.slice(colon + 2, end));
  }
  return headers;
});

/** What a plain request doesn't need, in one function: a fresh isolate then passes over all of it at once. */
function rest() {
  /** @param {Uint8Array | undefined} bytes */
  const text = (bytes) => (decoder ??= new TextDecoder("utf-8", UTF_8)).decode(bytes);

  /** @type {Head[]} */
  const heads = [];

  /** The head of an answer, as what `new Response` takes beside the body: the same object for the same bytes. @param {number} status @param {Uint8Array} lines */
  function head(status, lines) {
    next: for (const head of heads) {
      let at = lines.length;
      if (head.status !== status || head.lines.length !== at) continue;
      while (at--) if (head.lines[at] !== lines[at]) continue next;
      return head;
    }
    const made = { status, headers: headers(text(lines)), lines: lines.slice() };
    if (heads.length < MAX_HEADS) heads.push(made);
    return made;
  }

  /** What becomes of an event whose program has come back without an answer: with this state, or none if it trapped. @param {Served} the @param {number} [state] */
  function late(the, state) {
    const { pool } = the;
    pool.room--;
    after(the, state);
    return the.over ? the.response : /** @type {Calls} */ (pool.calls).answer(the);
  }

  /** As `late`, of an event that was late before. @param {Served} the @param {number} [state] */
  function after(the, state) {
    const { pool, instance, response } = the;
    if (state === DONE && (response || !the.request)) {
      if (pool.idle.push(instance) > pool.keep) pool.idle.pop();
      end(the);
    } else if (state !== PENDING || !the.waits) {
      fail(the, the.broken ?? new Error("midge: the " + (state === PENDING ? "handler waits for nothing" : "event failed")));
    } else if (response) the.given?.(response);
  }

  /** Ends an event that was late. @param {Served} the @param {unknown} [error] @param {boolean} [now] */
  function end(the, error, now) {
    the.given?.(/** @type {Response} */ (the.response));
    the.over = true;
    the.pool.room++;
    the.pool.calls?.end(the, error, now);
  }

  /** Gives an event up, and the instance with it. @param {Served} the @param {unknown} [error] none if its client left @param {Response} [answer] */
  function fail(the, error, answer) {
    if (error && !answer) console.error(String(error));
    the.response ??= answer ?? failure(500);
    end(the, error ?? new Error("the client left"), !error || !!answer);
  }

  /** Writes `string` whole or not at all. @param {string} string @param {number} place @param {number} size */
  function put(string, place, size) {
    const bytes = range(place, size);
    if (!bytes) return EFAULT;
    const { read, written } = encoder.encodeInto(string, bytes);
    return read === string.length ? written : EMSGSIZE;
  }

  /** An answer without a body: to `HEAD`, with the length that another would have. @param {Served} the @param {ResponseInit} init @param {number} length */
  function bodiless({ request }, init, length) {
    if (request?.method !== "HEAD" || length < 0) return new Response(null, init);
    const headers = new Headers(init.headers);
    headers.set("content-length", String(length));
    return new Response(null, { status: init.status, headers });
  }

  /** The answer that a failure gets, the same as from every other host. @param {number} status @param {string} [message] @param {string} [lines] */
  function failure(status, message, lines = "") {
    const init = { status, headers: headers(lines) };
    const empty = new Response(null, init);
    if (status === 204 || status === 205 || status === 304) return empty;
    // The platform's phrases, but for those that RFC 9110 named anew, and those that it doesn't know.
    const renamed = /** @type {Record<number, string>} */ ({ 413: "Content Too Large", 418: "", 422: "Unprocessable Content", 425: "Too Early", 510: "" });
    const reason = renamed[status] ?? empty.statusText.replace(/^(Successful|Redirection|\w+ Error)$/, "");
    init.headers.set("content-type", "text/plain; charset=utf-8");
    return new Response(`${status} ${reason}${message ? ": " + message : ""}\n`, init);
  }

  /**
   * What the program asks for, by the number that ABI.md gives it. @param {number} operation @param {Served} the
   * @param {number} a @param {number} b @param {number} c @param {number} d @param {number} e
   */
  function run(operation, the, a, b, c, d, e) {
    switch (operation) {
      case 1: {
        const name = range(b, c);
        if (!name) return EFAULT;
        const value = (a ? the.handles?.[a - 1]?.source : the.request)?.headers?.get(text(name)) ?? null;
        return value === null ? ENOENT : put(value, d, e);
      }
      case 2: {
        let lines = "";
        for (const [name, value] of /** @type {any} */ (the.request).headers) lines += name + ": " + value + "\r\n";
        return put(lines, a, b);
      }
      case 3: {
        const message = range(b, c), lines = range(d, e);
        if (!message || !lines) return EFAULT;
        if (the.response) return EINVAL;
        the.response = failure(a, text(message), text(lines));
        return 0;
      }
      case 4: {
        const bytes = range(b, c);
        if (bytes) console[/** @type {const} */ (["debug", "log", "warn", "error"])[a] ?? "log"](text(bytes));
        return;
      }
      case 5: return Date.now();
      case 6: case 19:
        the.panic = (the.panic ?? "") + (operation === 6 ? text(range(a, b)) : String.fromCodePoint(a));
        return;
      case 7: return console.error(`panicked at ${text(range(a, b))}:${c}: ${the.panic ?? ""}`);
    }
    console.error("midge: this Worker needs `calls`: worker(module, { calls })");
    return ENOSYS;
  }

  return { after, bodiless, fail, failure, head, late, put, run, text };
}

/** @type {ReturnType<typeof rest> | undefined} */
let made;
export const more = () => (made ??= rest());
