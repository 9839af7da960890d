// The host side of midge-workers: instances, requests, answers. ABI.md describes what crosses; calls.js has the calls.

import { Handle, length } from "./handle.js";

/** The ABI that this shim speaks. */
export const ABI = 1;

/**
 * @typedef {(served: Served, parts: Uint8Array[]) => unknown} Operation
 * @typedef {object} Options
 * @property {Record<number, Operation>} [calls] host calls: `calls` of `./calls.js`
 * @property {number} [idle] instances that are kept for the next request (32)
 * @property {number} [live] requests at a time that wait for something; 503 beyond (256)
 * @typedef {{ passThroughOnException?: () => void, waitUntil(promise: Promise<unknown>): void }} Context
 * @typedef {{ ctx: any, env: any }} ObjectState
 * @typedef {{ memory: WebAssembly.Memory, midge_abi(): number, midge_start(kind: number): number, midge_poll(): number }} Exports
 */

const FETCH = 0, SCHEDULED = 1, QUEUE = 2, OBJECT_FETCH = 3, OBJECT_ALARM = 4;
const PENDING = 0, DONE = 1;
const ENOENT = -2, EIO = -5, EBADF = -9, EAGAIN = -11, EFAULT = -14, EINVAL = -22, EMFILE = -24, ENOSYS = -38, EMSGSIZE = -90;
const MAX_HANDLES = 64, MAX_PARTS = 64, MAX_HEADS = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** @param {Uint8Array} bytes */
export const text = (bytes) => decoder.decode(bytes);

/** An error that a host call gives as this number. */
export class CallError extends Error {
  /** @param {number} errno @param {string} message */
  constructor(errno, message) {
    super(message);
    this.errno = errno;
  }
}

/**
 * A Worker: `export default worker(module)`.
 * @param {WebAssembly.Module} module
 * @param {Options} [options]
 */
export function worker(module, options) {
  const pool = new Pool(module, options);
  return {
    /** @param {Request} request @param {any} env @param {Context} ctx */
    fetch: (request, env, ctx) => pool.fetch(FETCH, request, env, ctx, undefined, ""),
    /** @param {any} event @param {any} env @param {Context} ctx */
    scheduled: (event, env, ctx) => pool.event(SCHEDULED, event, env, ctx, undefined, ""),
    /** @param {any} batch @param {any} env @param {Context} ctx */
    queue: (batch, env, ctx) => pool.event(QUEUE, batch, env, ctx, undefined, ""),
  };
}

/**
 * A Durable Object class: `export const Counter = durableObject(module, "Counter", { calls })`.
 * @param {WebAssembly.Module} module
 * @param {string} name the type's name in `export!`
 * @param {Options} [options]
 */
export function durableObject(module, name, options) {
  /** @type {Pool | undefined} */
  let pool;
  return class {
    /** @param {any} ctx @param {any} env */
    constructor(ctx, env) {
      this.ctx = ctx;
      this.env = env;
      pool ??= new Pool(module, options);
      this.pool = pool;
    }
    /** @param {Request} request */
    fetch(request) {
      return this.pool.fetch(OBJECT_FETCH, request, this.env, this.ctx, this.ctx, name);
    }
    /** @param {unknown} [info] */
    alarm(info) {
      return this.pool.event(OBJECT_ALARM, info, this.env, this.ctx, this.ctx, name);
    }
  };
}

/** The instances of one module. */
class Pool {
  /** @param {WebAssembly.Module} module @param {Options} [options] */
  constructor(module, options = {}) {
    this.module = module;
    this.calls = options.calls;
    this.maxIdle = options.idle ?? 32;
    this.maxLive = options.live ?? 256;
    /** @type {Instance[]} */
    this.idle = [];
    this.live = 0;
    /** @type {Map<string, ResponseInit>} */
    this.heads = new Map();
    // A request whose client left may be forgotten by the platform, its promises never settled: what holds its token then goes.
    this.forgotten = typeof FinalizationRegistry === "function" ? new FinalizationRegistry(() => void this.live--) : undefined;
  }

  /** @returns {Instance | undefined} */
  take() {
    if (this.live >= this.maxLive) return undefined;
    const instance = this.idle.pop() ?? new Instance(this);
    this.live++;
    return instance;
  }

  /**
   * @param {number} kind @param {Request} request @param {any} env @param {Context} ctx @param {any} state @param {string} name
   * @returns {Response | Promise<Response>}
   */
  fetch(kind, request, env, ctx, state, name) {
    const instance = this.take();
    if (!instance) return failure(503, "too many requests at once");
    const served = (instance.served = new Served(this, instance, request, request, env, ctx, state, name));
    return served.start(kind) ?? served.answer();
  }

  /**
   * @param {number} kind @param {any} event @param {any} env @param {Context} ctx @param {any} state @param {string} name
   * @returns {Promise<void>}
   */
  async event(kind, event, env, ctx, state, name) {
    const instance = this.take();
    if (!instance) throw new Error("midge: too many events at once");
    const served = (instance.served = new Served(this, instance, undefined, event, env, ctx, state, name));
    served.start(kind);
    if (!served.over) await served.run();
    if (served.state !== DONE) throw new Error("midge: the event failed");
  }
}

/** A WebAssembly instance, which serves one event at a time. */
class Instance {
  /** @param {Pool} pool */
  constructor(pool) {
    /** @type {Served} */
    this.served = new Served(pool, this, undefined, undefined, undefined, undefined, undefined, "");
    const instance = new WebAssembly.Instance(pool.module, { midge: imports(this) });
    this.exports = /** @type {Exports} */ (/** @type {unknown} */ (instance.exports));
    this.memory = this.exports.memory;
    this.view = new Uint8Array(this.memory.buffer);
    /** @type {{ status: number, lines: Uint8Array, init: ResponseInit } | undefined} */
    this.last = undefined;
    const version = this.exports.midge_abi?.();
    if (version !== ABI) throw new Error(`midge: the module speaks ABI ${version}, this shim ${ABI}: build both from one release`);
  }

  /** A range of memory; `undefined` if it isn't one. @param {number} place @param {number} size */
  range(place, size) {
    // Memory that grew has left its old view empty.
    if (!this.view.length) this.view = new Uint8Array(this.memory.buffer);
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
}

/** One event: what the platform gave, and how far its answer has come. */
export class Served {
  /**
   * @param {Pool} pool @param {Instance} instance @param {Request | undefined} request @param {any} event @param {any} env
   * @param {Context | undefined} ctx @param {any} object @param {string} name
   */
  constructor(pool, instance, request, event, env, ctx, object, name) {
    this.pool = pool;
    this.instance = instance;
    this.request = request;
    this.event = event;
    this.env = env;
    this.ctx = ctx;
    this.object = object;
    this.name = name;
    this.state = PENDING;
    this.over = false;
    /** @type {ResponseInit | undefined} */
    this.init = undefined;
    this.length = -1;
    this.passed = 0;
    /** @type {Response | undefined} */
    this.response = undefined;
    /** @type {((response: Response) => void) | undefined} */
    this.resolve = undefined;
    /** @type {WritableStreamDefaultWriter<Uint8Array> | undefined} */
    this.writer = undefined;
    this.writing = false;
    /** @type {Promise<unknown>} */
    this.written = Promise.resolve();
    /** @type {Promise<unknown> | undefined} */
    this.closing = undefined;
    /** @type {unknown} */
    this.broken = undefined;
    /** @type {(Handle | undefined)[]} */
    this.handles = EMPTY;
    /** @type {Handle | undefined} */
    this.body = undefined;
    /** @type {Set<Promise<unknown>> | undefined} */
    this.waits = undefined;
    /** @type {Promise<unknown> | undefined} */
    this.deadline = undefined;
    /** @type {Promise<void> | undefined} */
    this.running = undefined;
  }

  /** Starts the event. The answer, if it is there at once and whole. @param {number} kind @returns {Response | undefined} */
  start(kind) {
    this.step(kind);
    return this.over ? this.response : undefined;
  }

  /** The answer of a request that waits. @returns {Response | Promise<Response>} */
  answer() {
    this.running = this.run();
    if (this.response) {
      this.ctx?.waitUntil(this.running);
      return this.response;
    }
    return new Promise((resolve) => { this.resolve = resolve; });
  }

  /** Polls whenever something that the program waits for has come. */
  async run() {
    const token = {};
    this.pool.forgotten?.register(token, undefined, token);
    /** @type {(() => void) | undefined} */
    let onAbort;
    const signal = this.request?.signal;
    const left = signal && new Promise((resolve) => {
      onAbort = () => resolve(LEFT);
      if (signal.aborted) resolve(LEFT);
      else signal.addEventListener("abort", onAbort);
    });
    while (!this.over) {
      const waits = [...(this.waits ?? [])];
      if (!waits.length) {
        this.fail(new Error("midge: the handler waits for nothing that the host knows of"));
        break;
      }
      if (this.deadline) waits.push(this.deadline);
      if (left) waits.push(left);
      const first = await Promise.race(waits);
      if (this.over) break;
      if (first === LEFT) this.fail(undefined);
      else if (first === LATE) this.fail(LATE);
      else this.step();
    }
    if (onAbort) signal?.removeEventListener("abort", onAbort);
    this.pool.forgotten?.unregister(token);
    // The end of a stream is the client's to take.
    await this.closing;
  }

  /** Enters the program: starts an event of this kind, or polls. @param {number} [kind] */
  step(kind) {
    let state;
    try {
      const { exports } = this.instance;
      state = kind === undefined ? exports.midge_poll() : exports.midge_start(kind);
    } catch (error) {
      // A trap, or a panic that has logged what it had to say.
      return this.fail(error);
    }
    if (state === PENDING) return;
    if (state !== DONE) return this.fail(this.broken ?? new Error("midge: the event failed, or its answer broke off"));
    if (this.request && !this.response) return this.fail(new Error("midge: the request was not answered"));
    this.state = DONE;
    this.end();
    if (this.pool.idle.length < this.pool.maxIdle) this.pool.idle.push(this.instance);
  }

  /** Gives the request up, and the instance with it. @param {unknown} error */
  fail(error) {
    if (error !== undefined && error !== LATE) console.error(String(error));
    const { writer } = this;
    // What was flushed before goes out, unless nobody takes it.
    if (writer) this.closing = (error instanceof Error ? this.written : Promise.resolve())
      .then(() => writer.abort(error ?? new Error("the client left"))).catch(() => {});
    else if (!this.response) this.settle(error === LATE ? failure(503, "the request took too long") : failure(500));
    this.state = CUT;
    this.end();
  }

  end() {
    this.over = true;
    this.pool.live--;
    for (const handle of this.handles) handle?.cancel();
    this.handles = EMPTY;
    this.body = this.request = this.event = this.env = this.object = undefined;
  }

  /** @param {Response} response */
  settle(response) {
    this.response = response;
    if (this.resolve) {
      this.resolve(response);
      if (!this.over && this.running) this.ctx?.waitUntil(this.running);
    }
  }

  /** Has the program polled again when `promise` settles. @param {Promise<unknown>} promise */
  wait(promise) {
    const waits = (this.waits ??= new Set());
    /** @type {Promise<unknown>} */
    const settled = promise.then(() => void waits.delete(settled));
    waits.add(settled);
    return settled;
  }

  /** @param {number} id @returns {Handle | undefined} */
  handle(id) {
    if (id !== 0) return this.handles[id - 1];
    if (!this.request) return undefined;
    return (this.body ??= new Handle(this, this.request));
  }

  /** What `new Response` takes beside the body: the same object for the same bytes. @param {number} status @param {Uint8Array} lines */
  head(status, lines) {
    // An answer mostly has the head of the one before.
    const { last } = this.instance;
    if (last && last.status === status && same(last.lines, lines)) return last.init;
    const text = lossy.decode(lines);
    const key = status + text;
    let init = this.pool.heads.get(key);
    if (!init) {
      const headers = new Headers();
      for (const line of text.split("\r\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 2));
      }
      init = { status, headers };
      if (this.pool.heads.size < MAX_HEADS) this.pool.heads.set(key, init);
    }
    this.instance.last = { status, lines: lines.slice(), init };
    return init;
  }

  /** Begins a streamed answer. */
  open() {
    const stream = this.length >= 0 ? new FixedLengthStream(this.length) : new IdentityTransformStream();
    this.writer = stream.writable.getWriter();
    this.settle(new Response(stream.readable, this.init));
    // A client that leaves shows at the next write.
    this.closing = this.writer.closed.catch(() => {});
  }

  /** The answer whose body is not streamed by the program. @param {Uint8Array | null} bytes */
  whole(bytes) {
    const init = /** @type {ResponseInit} */ (this.init);
    if (!this.passed) {
      if (this.request?.method === "HEAD" && this.length >= 0) {
        const headers = new Headers(init.headers);
        headers.set("content-length", String(this.length));
        return new Response(null, { status: init.status, headers });
      }
      return new Response(bytes, init);
    }
    const source = this.handle(this.passed >>> 1)?.source;
    const headers = new Headers(this.passed & 1 ? source?.headers : undefined);
    for (const [name, value] of /** @type {any} */ (init.headers)) headers.append(name, value);
    const body = this.request?.method === "HEAD" || NULL_BODY.has(init.status) ? null : (source?.body ?? null);
    return new Response(body, { status: init.status, headers });
  }
}

/** @param {Uint8Array} a @param {Uint8Array} b */
function same(a, b) {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** What the program calls. None of it throws: that would leave the program's stack where it stood. @param {Instance} instance */
function imports(instance) {
  /** @param {(the: Served, ...values: any[]) => number | void} run @returns {(...values: any[]) => number | void} */
  const safe = (run) => (a, b, c, d, e) => {
    try {
      return run(instance.served, a, b, c, d, e);
    } catch (error) {
      instance.served.broken = error;
      return EIO;
    }
  };
  return {
    head: safe((the, place, size) => {
      const request = /** @type {Request} */ (the.request);
      const { url } = request;
      const authority = url.indexOf("/") + 2;
      const target = url.indexOf("/", authority);
      return instance.put(request.method + " " + url.slice(authority, target) + " " + url.slice(target), place, size);
    }),
    class: safe((the, place, size) => instance.put(the.name, place, size)),
    field: safe((the, handle, name, nameSize, place, size) => {
      const range = instance.range(name, nameSize);
      const headers = handle ? the.handle(handle)?.source?.headers : the.request?.headers;
      if (!range) return EFAULT;
      const value = headers?.get(text(range)) ?? null;
      return value === null ? ENOENT : instance.put(value, place, size);
    }),
    fields: safe((the, place, size) => {
      let lines = "";
      for (const [name, value] of /** @type {any} */ (the.request).headers) lines += name + ": " + value + "\r\n";
      return instance.put(lines, place, size);
    }),
    body_length: safe((the) => {
      const known = the.request ? length(the.request) : 0;
      return known === Infinity ? -1 : known;
    }),
    read: safe((the, handle, place, size) => {
      const range = instance.range(place, size);
      return range ? (the.handle(handle)?.read(range) ?? EBADF) : EFAULT;
    }),
    respond: safe((the, status, place, size, known, passed) => {
      const lines = instance.range(place, size);
      if (!lines) return EFAULT;
      if (the.init) return EINVAL;
      the.init = the.head(status, lines);
      the.length = known;
      the.passed = passed;
      return 0;
    }),
    write: safe((the, place, size, last) => {
      const bytes = instance.range(place, size);
      if (!bytes) return EFAULT;
      if (!the.init || (the.response && !the.writer)) return EINVAL;
      if (last && !the.writer) {
        the.settle(the.whole(bytes));
        return size;
      }
      if (the.writing) return EAGAIN;
      if (the.broken) return EIO;
      if (!the.writer) the.open();
      the.writing = true;
      // The platform copies it: the program goes on in its buffer while the client takes this.
      the.written = the.wait(/** @type {any} */ (the.writer).write(bytes).then(
        () => { the.writing = false; },
        (/** @type {unknown} */ error) => { the.writing = false; the.broken = error ?? true; },
      ));
      return size;
    }),
    fail: safe((the, status, place, size) => {
      const message = instance.range(place, size);
      if (!message) return EFAULT;
      if (the.response) return EINVAL;
      the.settle(failure(status, lossy.decode(message)));
      return 0;
    }),
    finish: safe((the) => {
      if (the.writer) the.writer.close().catch(() => {});
      else if (!the.response) the.settle(the.whole(null));
    }),
    call: safe((the, operation, parts, count) => {
      const run = the.pool.calls?.[operation];
      if (!run) return ENOSYS;
      if (the.handles === EMPTY) the.handles = [];
      let slot = the.handles.indexOf(undefined);
      if (slot < 0) slot = the.handles.length;
      if (slot >= MAX_HANDLES) return EMFILE;
      const table = count >>> 0 < MAX_PARTS ? instance.range(parts, count * 8) : undefined;
      if (!table) return EFAULT;
      const words = new DataView(table.buffer, table.byteOffset, table.byteLength);
      const values = [];
      for (let at = 0; at < table.length; at += 8) {
        const value = instance.range(words.getUint32(at, true), words.getUint32(at + 4, true));
        if (!value) return EFAULT;
        values.push(value);
      }
      const handle = new Handle(the);
      the.handles[slot] = handle;
      try {
        const result = run(the, values);
        if (result instanceof Promise) {
          the.wait(result.then((value) => handle.settle(value), (error) => handle.reject(error)));
        } else handle.settle(result);
      } catch (error) {
        handle.reject(error);
      }
      return slot + 1;
    }),
    poll: safe((the, handle) => the.handle(handle || -1)?.result ?? EBADF),
    take: safe((the, handle, place, size) => {
      const range = instance.range(place, size);
      const bytes = the.handle(handle || -1)?.bytes;
      if (!range) return EFAULT;
      if (!bytes) return EBADF;
      if (bytes.length > range.length) return EMSGSIZE;
      range.set(bytes);
      return bytes.length;
    }),
    next: safe((the, id, place, size) => {
      const range = instance.range(place, size);
      const handle = the.handle(id || -1);
      if (!range) return EFAULT;
      if (!handle) return EBADF;
      const row = handle.rows[handle.row];
      if (!row) return ENOENT;
      if (row.length <= range.length) {
        range.set(row);
        handle.row++;
      }
      return row.length;
    }),
    close: safe((the, handle) => {
      if (handle && the.handles[handle - 1]) {
        the.handles[handle - 1]?.cancel();
        the.handles[handle - 1] = undefined;
      }
    }),
    now: safe((the) => Date.now()),
    random: safe((the, place, size) => {
      const range = instance.range(place, size);
      if (!range) return EFAULT;
      crypto.getRandomValues(range);
      return range.length;
    }),
    log: safe((the, level, place, size) => {
      const range = instance.range(place, size);
      if (range) console[LEVELS[level] ?? "log"](lossy.decode(range));
    }),
  };
}

/** The answer that a failure gets, the same as from every other host. @param {number} status @param {string} [message] */
function failure(status, message) {
  // A status without a body, or without a phrase of its own, is followed by a blank all the same.
  const reason = REASONS.match(new RegExp(status + "( [^,]*)"))?.[1] ?? " ";
  const init = { status, headers: { "content-type": "text/plain; charset=utf-8" } };
  return NULL_BODY.has(status) ? new Response(null, { status }) : new Response(status + reason + (message ? ": " + message : "") + "\n", init);
}

const REASONS =
  "200 OK,201 Created,202 Accepted,203 Non-Authoritative Information,204 No Content,205 Reset Content," +
  "206 Partial Content,207 Multi-Status,208 Already Reported,226 IM Used,300 Multiple Choices,301 Moved Permanently," +
  "302 Found,303 See Other,304 Not Modified,305 Use Proxy,307 Temporary Redirect,308 Permanent Redirect,400 Bad Request," +
  "401 Unauthorized,402 Payment Required,403 Forbidden,404 Not Found,405 Method Not Allowed,406 Not Acceptable," +
  "407 Proxy Authentication Required,408 Request Timeout,409 Conflict,410 Gone,411 Length Required," +
  "412 Precondition Failed,413 Content Too Large,414 URI Too Long,415 Unsupported Media Type,416 Range Not Satisfiable," +
  "417 Expectation Failed,421 Misdirected Request,422 Unprocessable Content,423 Locked,424 Failed Dependency," +
  "425 Too Early,426 Upgrade Required,428 Precondition Required,429 Too Many Requests," +
  "431 Request Header Fields Too Large,451 Unavailable For Legal Reasons,500 Internal Server Error,501 Not Implemented," +
  "502 Bad Gateway,503 Service Unavailable,504 Gateway Timeout,505 HTTP Version Not Supported," +
  "506 Variant Also Negotiates,507 Insufficient Storage,508 Loop Detected,511 Network Authentication Required";
const CUT = 2;
const LEFT = Symbol("left");
/** What a deadline settles with. */
export const LATE = Symbol("late");
/** @type {never[]} */
const EMPTY = [];
const NULL_BODY = new Set(/** @type {unknown[]} */ ([101, 204, 205, 304]));
const LEVELS = /** @type {const} */ (["debug", "log", "warn", "error"]);
