// The host side of midge-workers: instances, requests, answers. ABI.md describes what crosses; calls.js has what a handler can call.
//
// Every fresh isolate reads this text, and compiles each function that its first request runs: both cost more than all that those functions
// do. So there are few of them on the way of a plain request, with plain objects and no classes, and each of them stands in parentheses:
// the engine then compiles it as it reads it, where it would have to read it again. What only other requests need stands in functions of its
// own, without parentheses, and is made when it is first needed.

/** The ABI that this shim speaks. */
export const ABI = 1;

/**
 * @typedef {object} Calls what `./calls.js` brings
 * @property {Record<string, Import>} imports
 * @property {(pool: Pool) => Record<string, Function>} handlers of events that are no requests
 * @property {(pool: Pool, kind: number, event: any, env: any, ctx: Context, name: string) => Promise<void>} event
 * @property {(served: Served) => Response} passed the answer that passes a body on
 * @typedef {object} Options
 * @property {Calls} [calls] host calls: `calls` of `./calls.js`
 * @property {number} [idle] instances that are kept for the next request (32)
 * @property {number} [live] requests at a time that wait for something; 503 beyond (256)
 * @typedef {(the: Served, ...values: any[]) => number | void} Import
 * @typedef {{ waitUntil(promise: Promise<unknown>): void }} Context
 * @typedef {{ memory: WebAssembly.Memory, midge_abi(): number, midge_start(kind: number): number, midge_poll(): number }} Exports
 *
 * @typedef {object} Pool the instances of one module
 * @property {WebAssembly.Module} module
 * @property {Options} options
 * @property {Instance[]} idle
 * @property {number} live
 * @property {WebAssembly.ModuleImports} [imports]
 * @property {{ status: number, lines: Uint8Array, init: ResponseInit }} [last] the answer's head before
 * @property {Map<string, ResponseInit>} [heads]
 * @property {FinalizationRegistry<undefined>} [forgotten]
 *
 * @typedef {object} Instance serves one event at a time
 * @property {Exports} exports
 * @property {Uint8Array} view of all its memory
 *
 * @typedef {object} Served one event: what the platform gave, and how far its answer has come
 * @property {Pool} pool
 * @property {Instance} instance
 * @property {any} event
 * @property {any} env
 * @property {any} ctx the state too, in a Durable Object
 * @property {string} name of the Durable Object's class
 * @property {Request} [request]
 * @property {Response} [response]
 * @property {boolean} [over] nothing more becomes of it
 * @property {boolean} [done] it became what the program wanted
 * @property {ResponseInit} [init]
 * @property {number} [length]
 * @property {number} [passed]
 * @property {unknown} [broken]
 * @property {string} [panic] what a panic has to say
 * @property {number} [waits] promises that the program waits for
 * @property {(Body | undefined)[]} [handles]
 * @property {Body} [body] the request's
 * @property {unknown} [deadline]
 * @property {string} [late] fields of the answer if it comes too late
 * @property {(response: Response) => void} [resolve]
 * @property {Promise<unknown>} [running]
 * @property {(value: unknown) => void} [finish]
 * @property {WritableStreamDefaultWriter<Uint8Array>} [writer]
 * @property {boolean} [writing]
 * @property {Promise<unknown>} [written]
 * @property {Promise<unknown>} [closing]
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
 */

const FETCH = 0, OBJECT_FETCH = 3, OBJECT_ALARM = 4;
const PENDING = 0, DONE = 1;
const ENOENT = -2, EIO = -5, EBADF = -9, EAGAIN = -11, EFAULT = -14, EINVAL = -22, ENOSYS = -38, EMSGSIZE = -90;
const MAX_HEADS = 64;

const encoder = new TextEncoder();
/** @type {TextDecoder | undefined} */
let decoder;
const none = () => ENOSYS;

/** Stands where no event is served. @type {any} */
const NOBODY = {};
/** The event whose program runs: one at a time, and none across an `await`. */
let the = /** @type {Served} */ (NOBODY);
/** @type {Uint8Array} */
const NOTHING = new Uint8Array(0);
/** All of its memory. */
let view = NOTHING;

/** A Worker: `export default worker(module)`. */
export const worker = (function (/** @type {WebAssembly.Module} */ module, /** @type {Options} */ options = {}) {
  const pool = { module, options, idle: [], live: 0 };
  return {
    /** @type {(request: Request, env: any, ctx: Context) => Response | Promise<Response>} */
    fetch: serve.bind(null, pool, FETCH, ""),
    ...options.calls?.handlers(pool),
  };
});

/**
 * A Durable Object class: `export const Counter = durableObject(module, "Counter", { calls })`.
 * @param {WebAssembly.Module} module
 * @param {string} name the type's name in `export!`
 * @param {Options} [options]
 */
export function durableObject(module, name, options = {}) {
  /** @type {Pool} */
  const pool = { module, options, idle: [], live: 0 };
  return class {
    /** @param {any} ctx @param {any} env */
    constructor(ctx, env) {
      this.ctx = ctx;
      this.env = env;
    }
    /** @param {Request} request */
    fetch(request) {
      return serve(pool, OBJECT_FETCH, name, request, this.env, this.ctx);
    }
    /** @param {unknown} [info] */
    alarm(info) {
      return options.calls?.event(pool, OBJECT_ALARM, info, this.env, this.ctx, name);
    }
  };
}

/** Serves a request. */
const serve = (function (
  /** @type {Pool} */ pool, /** @type {number} */ kind, /** @type {string} */ name,
  /** @type {Request} */ request, /** @type {any} */ env, /** @type {Context} */ ctx,
) {
  const served = start(pool, kind, name, request, env, ctx, request);
  return !served ? failure(503, "too many requests at once") : served.over ? /** @type {Response} */ (served.response) : answer(served);
});

/** Starts an event, in an instance of its own; `undefined` if there are too many. */
export const start = (function (
  /** @type {Pool} */ pool, /** @type {number} */ kind, /** @type {string} */ name,
  /** @type {any} */ event, /** @type {any} */ env, /** @type {Context} */ ctx, /** @type {Request | undefined} */ request,
) {
  if (pool.live >= (pool.options.live ?? 256)) return;
  const instance = pool.idle.pop() ?? instantiate(pool);
  pool.live++;
  /** @type {Served} */
  const served = { pool, instance, event, env, ctx, name, request };
  let state;
  the = served;
  view = instance.view;
  try {
    state = instance.exports.midge_start(kind);
  } catch (error) {
    // A trap, or a panic that has logged what it had to say.
    served.broken = error;
  }
  after(served, state);
  return served;
});

const instantiate = (function (/** @type {Pool} */ pool) {
  const { module, options } = pool;
  let midge = pool.imports;
  if (!midge) {
    midge = pool.imports = {};
    for (const { name } of WebAssembly.Module.imports(module)) {
      midge[name] = imports[name] ?? guarded(others[name] ?? options.calls?.imports[name] ?? none);
    }
  }
  const exports = /** @type {Exports} */ (/** @type {unknown} */ (new WebAssembly.Instance(module, { midge }).exports));
  const version = exports.midge_abi?.();
  if (version !== ABI) throw new Error("midge: the module speaks ABI " + version + ", this shim " + ABI + ": build both from one release");
  return { exports, view: new Uint8Array(exports.memory.buffer) };
});

/** Whatever becomes of an event whose program has come back with this state; without one, it trapped. */
const after = (function (/** @type {Served} */ served, /** @type {number | undefined} */ state) {
  const { pool, instance } = served;
  the = NOBODY;
  view = NOTHING;
  if (state === DONE && (served.response || !served.request)) {
    served.done = true;
    end(served);
    if (pool.idle.length < (pool.options.idle ?? 32)) pool.idle.push(instance);
  } else if (state !== PENDING || !served.waits) {
    fail(served, served.broken ?? new Error(state === PENDING ? "midge: the handler waits for nothing" : "midge: the event failed"));
  }
});

const end = (function (/** @type {Served} */ served) {
  const { pool, body, handles, finish } = served;
  served.over = true;
  pool.live--;
  if (body) close(body);
  if (handles) for (const handle of handles) if (handle) close(handle);
  if (finish) {
    pool.forgotten?.unregister(served);
    finish(served.closing);
  }
});

/** A range of memory; `undefined` if it isn't one. */
export const range = (function (/** @type {number} */ place, /** @type {number} */ size) {
  // Memory that grew has left its old view empty.
  if (!view.length && the.instance) view = the.instance.view = new Uint8Array(the.instance.exports.memory.buffer);
  const start = place >>> 0, end = start + (size >>> 0);
  return end <= view.length ? view.subarray(start, end) : undefined;
});

/** Writes `string` whole or not at all. */
export const put = (function (/** @type {string} */ string, /** @type {number} */ place, /** @type {number} */ size) {
  const bytes = range(place, size);
  if (!bytes) return EFAULT;
  const { read, written } = encoder.encodeInto(string, bytes);
  return read === string.length ? written : EMSGSIZE;
});

const text = (function (/** @type {Uint8Array | undefined} */ bytes) {
  decoder ??= new TextDecoder("utf-8", /** @type {any} */ ({ ignoreBOM: true }));
  return decoder.decode(bytes);
});

// What the program calls, of the event that it serves. An import never throws: that would leave the program's stack where it stood.

/** What every request needs: these see to it themselves that they don't throw. @type {Record<string, (...values: any[]) => number>} */
const imports = {
  head: (function (place, size) {
    const { request } = the;
    if (!request) return EINVAL;
    const { method, url } = request;
    return put(method + " " + url.slice(url.indexOf("/") + 2), place, size);
  }),
  body_length: (function () {
    return the.request?.body ? length(the.request) : 0;
  }),
  respond: (function (status, place, size, known, passed) {
    const { pool, init } = the;
    const lines = range(place, size);
    if (!lines) return EFAULT;
    if (init) return EINVAL;
    // An answer mostly has the head of the one before.
    try {
      let { last } = pool;
      if (!last || last.status !== status || !same(last.lines, lines)) last = head(pool, status, lines);
      the.init = last.init;
    } catch (error) {
      the.broken = error;
      return EIO;
    }
    the.length = known;
    the.passed = passed;
    return 0;
  }),
  write: (function (place, size, last) {
    const { pool, init, writer, request, resolve } = the;
    const bytes = range(place, size);
    if (!bytes) return EFAULT;
    if (!init || (the.response && !writer)) return EINVAL;
    try {
      if (writer || !last) return stream(the, bytes, last);
      the.response = the.passed && pool.options.calls ? pool.options.calls.passed(the)
        : /** @type {number} */ (the.length) >= 0 && request?.method === "HEAD" ? bare(the) : new Response(size ? bytes : null, init);
      if (resolve) settle(the, the.response);
      return size;
    } catch (error) {
      the.broken = error;
      return EIO;
    }
  }),
};

/** The others are kept from throwing by what calls them. @type {Record<string, Import>} */
const others = {
  field(the, id, name, nameSize, place, size) {
    const bytes = range(name, nameSize);
    if (!bytes) return EFAULT;
    const value = (id ? handle(the, id)?.source : the.request)?.headers?.get(text(bytes)) ?? null;
    return value === null ? ENOENT : put(value, place, size);
  },
  fields(the, place, size) {
    let lines = "";
    for (const [name, value] of /** @type {any} */ (the.request).headers) lines += name + ": " + value + "\r\n";
    return put(lines, place, size);
  },
  read(the, id, place, size) {
    const bytes = range(place, size);
    const body = handle(the, id);
    return bytes ? body ? read(the, body, bytes) : EBADF : EFAULT;
  },
  fail(the, status, place, size, fields, fieldsSize) {
    const message = range(place, size), lines = range(fields, fieldsSize);
    if (!message || !lines) return EFAULT;
    if (the.response) return EINVAL;
    settle(the, failure(status, text(message), text(lines)));
    return 0;
  },
  deadline(the, time, place, size) {
    const lines = range(place, size);
    if (!lines) return EFAULT;
    the.late = text(lines);
    const late = (the.deadline = scheduler.wait(time).then(() => {
      if (the.deadline === late && !the.over) fail(the, LATE);
    }));
    return 0;
  },
  now: () => Date.now(),
  log(the, level, place, size) {
    const bytes = range(place, size);
    if (bytes) console[/** @type {const} */ (["debug", "log", "warn", "error"])[level] ?? "log"](text(bytes));
  },
  panic_text(the, place, size) { the.panic = (the.panic ?? "") + text(range(place, size)); },
  panic_char(the, char) { the.panic = (the.panic ?? "") + String.fromCodePoint(char); },
  panic: (the, place, size, line) => console.error(`panicked at ${text(range(place, size))}:${line}: ${the.panic ?? ""}`),
};

const guarded = (function (/** @type {Import} */ run) {
  return (/** @type {any} */ a, /** @type {any} */ b, /** @type {any} */ c, /** @type {any} */ d, /** @type {any} */ e) => {
  try {
    return run(the, a, b, c, d, e);
  } catch (error) {
    the.broken = error;
    return EIO;
  }
};
});

/** The head of an answer, with what `new Response` takes beside the body: the same object for the same bytes. */
const head = (function (/** @type {Pool} */ pool, /** @type {number} */ status, /** @type {Uint8Array} */ lines) {
  const heads = (pool.heads ??= new Map());
  const key = status + text(lines);
  let init = heads.get(key);
  if (!init) {
    init = { status, headers: headers(key.slice(3)) };
    if (heads.size < MAX_HEADS) heads.set(key, init);
  }
  return (pool.last = { status, lines: lines.slice(), init });
});

/** Of fields as `name: value` CR LF. */
const headers = (function (/** @type {string} */ lines) {
  const headers = new Headers();
  for (const line of lines.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 2));
  }
  return headers;
});

/** @param {Uint8Array} a @param {Uint8Array} b */
function same(a, b) {
  let at = a.length;
  if (at !== b.length) return false;
  while (at--) if (a[at] !== b[at]) return false;
  return true;
}

/** The answer to `HEAD`, which has the length that another would have. @param {Served} the */
function bare({ init, length }) {
  const { status, headers: fields } = /** @type {ResponseInit} */ (init);
  const headers = new Headers(fields);
  headers.set("content-length", String(length));
  return new Response(null, { status, headers });
}

// What waits: the rest of this file is for answers that are not there at once.

/** The answer of a request that waits. @param {Served} the @returns {Response | Promise<Response>} */
function answer(the) {
  run(the);
  if (!the.response) return new Promise((resolve) => { the.resolve = resolve; });
  settle(the, the.response);
  return the.response;
}

/** Goes on until the event is over, and a stream's end is taken by the client. @param {Served} the */
export function run(the) {
  const { pool } = the;
  // A request whose client left may be forgotten by the platform, its promises never settled.
  pool.forgotten ??= new FinalizationRegistry(() => void pool.live--);
  pool.forgotten.register(the, undefined, the);
  const left = () => the.over || fail(the);
  the.running = new Promise((resolve) => { the.finish = resolve; });
  const signal = the.request?.signal;
  if (signal?.aborted) left();
  else signal?.addEventListener("abort", left);
  return the.running;
}

/** Has the program polled again when `promise` settles. @param {Served} the @param {Promise<unknown>} promise */
export function wait(the, promise) {
  the.waits = (the.waits ?? 0) + 1;
  promise.then(() => {
    /** @type {number} */ (the.waits)--;
    if (!the.over) poll(the);
  });
}

/** @param {Served} served */
function poll(served) {
  let state;
  the = served;
  view = served.instance.view;
  try {
    state = served.instance.exports.midge_poll();
  } catch (error) {
    served.broken = error;
  }
  after(served, state);
}

/** Has the client given this answer, while the event goes on. @param {Served} the @param {Response} response */
function settle(the, response) {
  the.response = response;
  the.resolve?.(response);
  if (the.running && !the.over) the.ctx?.waitUntil(the.running);
}

/** Gives the request up, and the instance with it. @param {Served} the @param {unknown} [error] */
function fail(the, error) {
  if (error !== undefined && error !== LATE) console.error(String(error));
  const { writer } = the;
  // What was flushed before goes out, unless nobody takes it.
  if (writer) the.closing = Promise.resolve(error instanceof Error ? the.written : 0)
    .then(() => writer.abort(error ?? new Error("the client left"))).catch(none);
  else if (!the.response) settle(the, error === LATE ? failure(503, "the request took too long", the.late) : failure(500));
  end(the);
}

/** Takes bytes of a streamed answer. @param {Served} the @param {Uint8Array} bytes @param {number} last */
function stream(the, bytes, last) {
  if (bytes.length) {
    if (the.writing) return EAGAIN;
    if (the.broken) return EIO;
    if (!the.writer) {
      const known = /** @type {number} */ (the.length);
      const { readable, writable } = known < 0 ? new IdentityTransformStream() : new FixedLengthStream(known);
      the.writer = writable.getWriter();
      settle(the, new Response(readable, the.init));
      // A client that leaves shows at the next write.
      the.closing = the.writer.closed.catch(none);
    }
    the.writing = true;
    // The platform copies it: the program goes on in its buffer while the client takes this.
    the.written = the.writer.write(bytes).then(
      () => { the.writing = false; },
      (/** @type {unknown} */ error) => { the.writing = false; the.broken = error ?? true; },
    );
    wait(the, the.written);
  }
  if (last) the.writer?.close().catch(none);
  return bytes.length;
}

/** What a handle of the program's stands for; 0 is the request's body. @param {Served} the @param {number} id @returns {Body | undefined} */
export const handle = (the, id) => (id ? the.handles?.[id - 1] : the.request && (the.body ??= { source: the.request }));

/** @param {Served} the @param {Body} body @param {Uint8Array} place */
function read(the, body, place) {
  const { chunk } = body;
  const count = Math.min(place.length, chunk?.length ?? 0);
  if (chunk && count) {
    place.set(chunk.subarray(0, count));
    body.chunk = chunk.subarray(count);
    return count;
  }
  if (body.error) return EIO;
  if (!body.reading) {
    if (body.ended) return 0;
    body.reading = true;
    wait(the, next(body, place.length));
  }
  return EAGAIN;
}

/** Has the next chunk come in: the whole body, if it is known to fit into `room`. @param {Body} body @param {number} room */
async function next(body, room) {
  try {
    const { source } = body;
    const known = body.reader || !source?.arrayBuffer ? -1 : source.body ? length(source) : 0;
    if (known >= 0 && known <= room) {
      body.chunk = body.whole = new Uint8Array(await source.arrayBuffer());
      body.ended = true;
    } else {
      body.reader ??= source?.body?.getReader();
      const { value, done } = (await body.reader?.read()) ?? { done: true };
      body.chunk = value;
      body.ended = done;
    }
  } catch (error) {
    body.error = error ?? true;
  }
  body.reading = false;
}

/** Gives up what was not read. @param {Body} body */
export function close({ passed, ended, reader, source }) {
  if (!passed && !ended) (reader ?? source?.body)?.cancel().catch(none);
}

/** Length of a message's body; -1 if it isn't known. @param {any} message @returns {number} */
const length = ({ headers }) => Number(headers?.get("content-length") ?? -1);

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

/** What a deadline gives up with. */
const LATE = "late";
