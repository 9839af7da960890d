// The host side of midge-workers: instances, requests, answers. ABI.md describes what crosses; calls.js has what a handler can call.
// It is read by every fresh isolate, so what a plain request doesn't need is made when something else does.

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
 */

const FETCH = 0, OBJECT_FETCH = 3, OBJECT_ALARM = 4;
const PENDING = 0, DONE = 1;
const ENOENT = -2, EIO = -5, EBADF = -9, EAGAIN = -11, EFAULT = -14, EINVAL = -22, ENOSYS = -38, EMSGSIZE = -90;
const MAX_HEADS = 64;

const encoder = new TextEncoder();
/** @type {TextDecoder | undefined} */
let decoder;
const EMPTY = new Uint8Array(0);
const none = () => ENOSYS;

/** @param {Uint8Array | undefined} bytes */
const text = (bytes) => (decoder ??= new TextDecoder("utf-8", /** @type {any} */ ({ ignoreBOM: true }))).decode(bytes);

/**
 * A Worker: `export default worker(module)`.
 * @param {WebAssembly.Module} module
 * @param {Options} [options]
 */
export function worker(module, options) {
  const pool = new Pool(module, options);
  return {
    /** @param {Request} request @param {any} env @param {Context} ctx */
    fetch: (request, env, ctx) => pool.fetch(FETCH, request, env, ctx),
    ...options?.calls?.handlers(pool),
  };
}

/**
 * A Durable Object class: `export const Counter = durableObject(module, "Counter", { calls })`.
 * @param {WebAssembly.Module} module
 * @param {string} name the type's name in `export!`
 * @param {Options} [options]
 */
export function durableObject(module, name, options) {
  const pool = new Pool(module, options);
  return class {
    /** @param {any} ctx @param {any} env */
    constructor(ctx, env) {
      this.ctx = ctx;
      this.env = env;
    }
    /** @param {Request} request */
    fetch(request) {
      return pool.fetch(OBJECT_FETCH, request, this.env, this.ctx, name);
    }
    /** @param {unknown} [info] */
    alarm(info) {
      return pool.calls?.event(pool, OBJECT_ALARM, info, this.env, this.ctx, name);
    }
  };
}

/** The instances of one module. */
export class Pool {
  /** @type {Instance[]} */
  idle = [];
  live = 0;
  /** @type {Map<string, ResponseInit>} */
  heads = new Map();
  /** @type {FinalizationRegistry<undefined> | undefined} */
  forgotten;

  /** @param {WebAssembly.Module} module @param {Options} [options] */
  constructor(module, { calls, idle = 32, live = 256 } = {}) {
    this.module = module;
    this.calls = calls;
    this.maxIdle = idle;
    this.maxLive = live;
  }

  /** @param {any} event @param {any} env @param {Context} ctx @param {string} name */
  serve(event, env, ctx, name) {
    if (this.live >= this.maxLive) return;
    const instance = this.idle.pop() ?? new Instance(this);
    this.live++;
    return (instance.served = new Served(instance, event, env, ctx, name));
  }

  /**
   * @param {number} kind @param {Request} request @param {any} env @param {Context} ctx @param {string} [name]
   * @returns {Response | Promise<Response>}
   */
  fetch(kind, request, env, ctx, name = "") {
    const served = this.serve(request, env, ctx, name);
    if (!served) return failure(503, "too many requests at once");
    served.request = request;
    served.step(kind);
    return served.over ? /** @type {Response} */ (served.response) : served.answer();
  }
}

/** A WebAssembly instance, which serves one event at a time. */
export class Instance {
  served = NOBODY;
  /** @type {{ status: number, lines: Uint8Array, init: ResponseInit } | undefined} */
  last;
  /** What a panic has to say. */
  panic = "";

  /** @param {Pool} pool */
  constructor(pool) {
    this.pool = pool;
    /** @type {WebAssembly.ModuleImports} */
    const midge = {};
    const known = { ...imports, ...pool.calls?.imports };
    for (const { name } of WebAssembly.Module.imports(pool.module)) midge[name] = guarded(this, known[name] ?? none);
    const { exports } = new WebAssembly.Instance(pool.module, { midge });
    this.exports = /** @type {Exports} */ (/** @type {unknown} */ (exports));
    this.view = new Uint8Array(this.exports.memory.buffer);
    const version = this.exports.midge_abi?.();
    if (version !== ABI) throw new Error(`midge: the module speaks ABI ${version}, this shim ${ABI}: build both from one release`);
  }

  /** A range of memory; `undefined` if it isn't one. @param {number} place @param {number} size */
  range(place, size) {
    // Memory that grew has left its old view empty.
    if (!this.view.length) this.view = new Uint8Array(this.exports.memory.buffer);
    const start = place >>> 0, end = start + (size >>> 0);
    return end <= this.view.length ? this.view.subarray(start, end) : undefined;
  }

  /** Writes `string` whole or not at all. @param {string} string @param {number} place @param {number} size */
  put(string, place, size) {
    const range = this.range(place, size);
    if (!range) return EFAULT;
    const { read, written } = encoder.encodeInto(string, range);
    return read === string.length ? written : EMSGSIZE;
  }

  /** What `new Response` takes beside the body: the same object for the same bytes. @param {number} status @param {Uint8Array} lines */
  head(status, lines) {
    // An answer mostly has the head of the one before.
    const { last } = this;
    if (last?.status === status && same(last.lines, lines)) return last.init;
    const { heads } = this.pool;
    const key = status + text(lines);
    let init = heads.get(key);
    if (!init) {
      init = { status, headers: headers(key.slice(3)) };
      if (heads.size < MAX_HEADS) heads.set(key, init);
    }
    this.last = { status, lines: lines.slice(), init };
    return init;
  }
}

/** @param {string} lines fields as `name: value` CR LF */
function headers(lines) {
  const headers = new Headers();
  for (const line of lines.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 2));
  }
  return headers;
}

/** @param {Uint8Array} a @param {Uint8Array} b */
function same(a, b) {
  let at = a.length;
  if (at !== b.length) return false;
  while (at--) if (a[at] !== b[at]) return false;
  return true;
}

/** One event: what the platform gave, and how far its answer has come. */
export class Served {
  /** @type {Request | undefined} */
  request;
  /** Nothing more becomes of it. */
  over = false;
  /** It became what the program wanted. */
  done = false;
  /** @type {ResponseInit | undefined} */
  init;
  length = -1;
  passed = 0;
  /** @type {unknown} */
  broken;
  /** Promises that the program waits for. */
  waits = 0;
  /** @type {(Body | undefined)[] | undefined} */
  handles;
  /** @type {Body | undefined} */
  body;
  /** @type {unknown} */
  deadline;
  /** Fields of the answer if it comes too late. */
  late = "";
  // What only an event that waits has, and only a streamed answer, its methods add.

  /** @param {Instance} instance @param {any} event @param {any} env @param {any} ctx the state too, in a Durable Object @param {string} name */
  constructor(instance, event, env, ctx, name) {
    this.instance = instance;
    this.event = event;
    this.env = env;
    this.ctx = ctx;
    this.name = name;
  }

  /** Enters the program: starts an event of this kind, or polls. @param {number} [kind] */
  step(kind) {
    const { exports, pool } = this.instance;
    let state;
    try {
      state = kind === undefined ? exports.midge_poll() : exports.midge_start(kind);
    } catch (error) {
      // A trap, or a panic that has logged what it had to say.
      return this.fail(error);
    }
    if (state === PENDING) {
      if (!this.waits) this.fail(new Error("midge: the handler waits for nothing"));
    } else if (state !== DONE) this.fail(this.broken ?? new Error("midge: the event failed"));
    else if (this.request && !this.response) this.fail(new Error("midge: the request was not answered"));
    else {
      this.done = true;
      this.end();
      if (pool.idle.length < pool.maxIdle) pool.idle.push(this.instance);
    }
  }

  /** The answer of a request that waits. @returns {Response | Promise<Response>} */
  answer() {
    const running = this.run();
    if (this.response) {
      this.ctx?.waitUntil(running);
      return this.response;
    }
    return new Promise((resolve) => { this.resolve = resolve; });
  }

  /** Goes on until the event is over, and a stream's end is taken by the client. */
  run() {
    const { pool } = this.instance;
    // A request whose client left may be forgotten by the platform, its promises never settled.
    pool.forgotten ??= new FinalizationRegistry(() => void pool.live--);
    pool.forgotten.register(this, undefined, this);
    const left = () => this.over || this.fail();
    this.running = new Promise((resolve) => { this.finish = resolve; });
    const signal = this.request?.signal;
    if (signal?.aborted) left();
    else signal?.addEventListener("abort", left);
    return this.running;
  }

  /** Has the program polled again when `promise` settles. @param {Promise<unknown>} promise */
  wait(promise) {
    this.waits++;
    promise.then(() => {
      this.waits--;
      if (!this.over) this.step();
    });
  }

  /** Gives the request up, and the instance with it. @param {unknown} [error] */
  fail(error) {
    if (error !== undefined && error !== LATE) console.error(String(error));
    const { writer } = this;
    // What was flushed before goes out, unless nobody takes it.
    if (writer) this.closing = Promise.resolve(error instanceof Error ? this.written : 0)
      .then(() => writer.abort(error ?? new Error("the client left"))).catch(none);
    else if (!this.response) this.settle(error === LATE ? failure(503, "the request took too long", this.late) : failure(500));
    this.end();
  }

  end() {
    const { instance, body, handles } = this;
    this.over = true;
    instance.pool.live--;
    instance.served = NOBODY;
    body?.close();
    if (handles) for (const handle of handles) handle?.close();
    if (this.finish) {
      instance.pool.forgotten?.unregister(this);
      this.finish(this.closing);
    }
  }

  /** @param {Response} response */
  settle(response) {
    this.response = response;
    if (this.resolve) {
      this.resolve(response);
      if (!this.over) this.ctx?.waitUntil(this.running);
    }
  }

  /** @param {number} id @returns {Body | undefined} */
  handle(id) {
    return id ? this.handles?.[id - 1] : this.request && (this.body ??= new Body(this, this.request));
  }

  /** Begins a streamed answer. */
  open() {
    const { readable, writable } = this.length < 0 ? new IdentityTransformStream() : new FixedLengthStream(this.length);
    this.writer = writable.getWriter();
    this.settle(new Response(readable, this.init));
    // A client that leaves shows at the next write.
    this.closing = this.writer.closed.catch(none);
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    if (!this.writer) this.open();
    this.writing = true;
    // The platform copies it: the program goes on in its buffer while the client takes this.
    this.written = /** @type {any} */ (this.writer).write(bytes).then(
      () => { this.writing = false; },
      (/** @type {unknown} */ error) => { this.writing = false; this.broken = error ?? true; },
    );
    this.wait(/** @type {any} */ (this.written));
  }

  /** The answer whose body is not streamed by the program. @param {Uint8Array | null} bytes */
  whole(bytes) {
    const { calls } = this.instance.pool;
    if (this.passed && calls) return calls.passed(this);
    const init = /** @type {ResponseInit} */ (this.init);
    if (this.length < 0 || this.request?.method !== "HEAD") return new Response(bytes, init);
    const headers = new Headers(init.headers);
    headers.set("content-length", String(this.length));
    return new Response(null, { status: init.status, headers });
  }
}

/** A body that the program reads. */
export class Body {
  /** @type {ReadableStreamDefaultReader<Uint8Array> | undefined} */
  reader;
  /** @type {Uint8Array} */
  chunk = EMPTY;
  reading = false;
  ended = false;
  /** Left to whom it was passed on to. */
  passed = false;

  /** @param {Served} owner @param {any} [source] a Request, Response or R2 object: something with a body */
  constructor(owner, source) {
    this.owner = owner;
    this.source = source;
  }

  /** @param {Uint8Array} place */
  read(place) {
    const count = Math.min(place.length, this.chunk.length);
    if (count) {
      place.set(this.chunk.subarray(0, count));
      this.chunk = this.chunk.subarray(count);
      return count;
    }
    if (this.error) return EIO;
    if (this.reading) return EAGAIN;
    if (this.ended) return 0;
    this.reading = true;
    this.owner.wait(this.next(place.length));
    return EAGAIN;
  }

  /** Has the next chunk come in: the whole body, if it is known to fit into `room`. @param {number} room */
  async next(room) {
    try {
      const { source } = this;
      const known = this.reader || !source?.arrayBuffer ? -1 : length(source);
      if (known >= 0 && known <= room) {
        this.chunk = this.whole = new Uint8Array(await source.arrayBuffer());
        this.ended = true;
      } else {
        this.reader ??= source?.body?.getReader();
        const { value, done } = (await this.reader?.read()) ?? { done: true };
        this.chunk = value ?? EMPTY;
        this.ended = done;
      }
    } catch (error) {
      this.error = error ?? true;
    }
    this.reading = false;
  }

  /** Gives up what was not read. */
  close() {
    if (!this.passed && !this.ended) (this.reader ?? this.source?.body)?.cancel().catch(none);
  }
}

/** Length of a message's body: 0 without one, -1 if it isn't known. @param {any} message @returns {number} */
const length = ({ body, headers }) => (body ? Number(headers?.get("content-length") ?? -1) : 0);


/** What the program calls, of the event that its instance serves. @type {Record<string, Import>} */
const imports = {
  head(the, place, size) {
    const { method, url } = /** @type {Request} */ (the.request);
    return the.instance.put(method + " " + url.slice(url.indexOf("/") + 2), place, size);
  },
  field(the, handle, name, nameSize, place, size) {
    const range = the.instance.range(name, nameSize);
    if (!range) return EFAULT;
    const value = (handle ? the.handle(handle)?.source : the.request)?.headers?.get(text(range)) ?? null;
    return value === null ? ENOENT : the.instance.put(value, place, size);
  },
  fields(the, place, size) {
    let lines = "";
    for (const [name, value] of /** @type {any} */ (the.request).headers) lines += name + ": " + value + "\r\n";
    return the.instance.put(lines, place, size);
  },
  body_length: (the) => (the.request ? length(the.request) : 0),
  read(the, handle, place, size) {
    const range = the.instance.range(place, size);
    return range ? (the.handle(handle)?.read(range) ?? EBADF) : EFAULT;
  },
  respond(the, status, place, size, known, passed) {
    const lines = the.instance.range(place, size);
    if (!lines) return EFAULT;
    if (the.init) return EINVAL;
    the.init = the.instance.head(status, lines);
    the.length = known;
    the.passed = passed;
    return 0;
  },
  write(the, place, size, last) {
    const bytes = the.instance.range(place, size);
    if (!bytes) return EFAULT;
    if (!the.init || (the.response && !the.writer)) return EINVAL;
    if (last && !the.writer) the.settle(the.whole(size ? bytes : null));
    else {
      if (size) {
        if (the.writing) return EAGAIN;
        if (the.broken) return EIO;
        the.write(bytes);
      }
      if (last) the.writer?.close().catch(none);
    }
    return size;
  },
  fail(the, status, place, size, fields, fieldsSize) {
    const message = the.instance.range(place, size), lines = the.instance.range(fields, fieldsSize);
    if (!message || !lines) return EFAULT;
    if (the.response) return EINVAL;
    the.settle(failure(status, text(message), text(lines)));
    return 0;
  },
  deadline(the, time, place, size) {
    const lines = the.instance.range(place, size);
    if (!lines) return EFAULT;
    the.late = text(lines);
    const late = (the.deadline = scheduler.wait(time).then(() => {
      if (the.deadline === late && !the.over) the.fail(LATE);
    }));
    return 0;
  },
  now: Date.now,
  log(the, level, place, size) {
    const range = the.instance.range(place, size);
    if (range) console[/** @type {const} */ (["debug", "log", "warn", "error"])[level] ?? "log"](text(range));
  },
  panic_text(the, place, size) { the.instance.panic += text(the.instance.range(place, size)); },
  panic_char(the, char) { the.instance.panic += String.fromCodePoint(char); },
  panic: (the, place, size, line) => console.error(`panicked at ${text(the.instance.range(place, size))}:${line}: ${the.instance.panic}`),
};

/** So that it never throws: that would leave the program's stack where it stood. @param {Instance} instance @param {Import} run */
const guarded = (instance, run) => (/** @type {any} */ a, /** @type {any} */ b, /** @type {any} */ c, /** @type {any} */ d, /** @type {any} */ e) => {
  try {
    return run(instance.served, a, b, c, d, e);
  } catch (error) {
    instance.served.broken = error;
    return EIO;
  }
};

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
const LATE = Symbol();
/** Stands where no event is served. @type {any} */
const NOBODY = {};
