// What waits for something: bodies that are read, answers that are streamed or not there at once, deadlines.

import { TOO_LONG, more, poll, range } from "./midge.js";

/**
 * @typedef {import("./midge.js").Served} Served
 * @typedef {import("./midge.js").Body} Body
 * @typedef {import("./midge.js").Import} Import
 */

const LATE = "the request took too long";
const EIO = -5, EBADF = -9, EAGAIN = -11, EFAULT = -14, EINVAL = -22;
const NULL_BODY = new Set(/** @type {unknown[]} */ ([101, 204, 205, 304]));

const none = () => {};

/** The response of an event that waits, as `serve` gives it. @param {Served} the @returns {Response | Promise<Response>} */
export function answer(the) {
  const { pool, request } = the;
  // A request whose client left may be forgotten by the platform, its promises never settled.
  pool.forgotten ??= new FinalizationRegistry(() => void pool.room++);
  pool.forgotten.register(the, undefined, the);
  const running = new Promise((resolve) => { the.finish = resolve; });
  const outlive = () => the.over || the.ctx?.waitUntil(running);
  // Behind a whole answer the program may go on without its client.
  const left = () => the.over || the.complete || more().fail(the);
  if (request?.signal?.aborted) left();
  else request?.signal?.addEventListener("abort", left);
  if (!request) return running.then(() => /** @type {Response} */ (the.response));
  if (the.response) {
    outlive();
    return the.response;
  }
  return new Promise((resolve) => {
    the.given = (response) => {
      the.given = undefined;
      resolve(response);
      outlive();
    };
  });
}

/** Has the program polled again when `promise` settles. @param {Served} the @param {Promise<unknown>} promise */
export function wait(the, promise) {
  the.waits = (the.waits ?? 0) + 1;
  promise.then(() => {
    /** @type {number} */ (the.waits)--;
    if (!the.over) poll(the);
  });
}

/** Gives up whatever the event still holds. @param {Served} the @param {unknown} [error] why it failed @param {boolean} [now] */
export function end(the, error, now) {
  const { pool, writer, body, handles, timers, finish } = the;
  // What was flushed before goes out, unless nobody takes it.
  if (error && writer) the.closing = Promise.resolve(now ? 0 : the.written).then(() => writer.abort(error)).catch(none);
  if (timers) for (const timer of timers) clearTimeout(timer?.id);
  if (body) close(body);
  if (handles) for (const handle of handles) if (handle) close(handle);
  if (finish) {
    pool.forgotten?.unregister(the);
    finish(the.closing);
  }
}

/** Begins an answer that isn't given whole. @type {Import} */
export const respond = (the, status, place, size, passed, _, known) => {
  const lines = range(place, size);
  if (!lines) return EFAULT;
  if (the.response || the.init) return EINVAL;
  the.init = more().head(status, lines);
  the.length = known;
  the.passed = passed;
  return 0;
};

/** Takes bytes of such an answer. @type {Import} */
export const write = (the, place, size, last) => {
  const bytes = range(place, size);
  const { init, length = -1, passed, response, writer } = the;
  if (!bytes) return EFAULT;
  if (!init || (response && !writer)) return EINVAL;
  if (!writer && last) {
    the.complete = true;
    the.response = passed ? passedOn(the, init, passed) : size ? new Response(bytes, init) : more().bodiless(the, init, length);
    return size;
  }
  if (bytes.length) {
    if (the.writing) return EAGAIN;
    if (the.gone) return EIO;
    if (!the.writer) {
      const { readable, writable } = length < 0 ? new IdentityTransformStream() : new FixedLengthStream(length);
      the.writer = writable.getWriter();
      the.response = new Response(readable, init);
      // A client that leaves shows at the next write.
      the.closing = the.writer.closed.catch(none);
    }
    the.writing = true;
    // The platform copies it: the program goes on in its buffer while the client takes this.
    the.written = the.writer.write(bytes).then(
      () => { the.writing = false; },
      (/** @type {unknown} */ error) => { the.writing = false; the.gone = true; the.broken = error ?? true; },
    );
    wait(the, the.written);
  }
  if (last) {
    the.complete = true;
    the.writer?.close().catch(none);
  }
  return size;
};

/** Takes bytes of a body that the program writes for a call of its own. @type {Import} */
export const send = (the, id, place, size, last) => {
  const bytes = range(place, size), body = handle(the, id);
  if (!bytes) return EFAULT;
  const writer = body?.writer;
  if (!body || !writer) return EBADF;
  if (body.gone) return EIO;
  if (bytes.length) {
    if (body.writing) return EAGAIN;
    body.writing = true;
    wait(the, writer.write(bytes).then(
      () => { body.writing = false; },
      () => { body.writing = false; body.gone = true; },
    ));
  }
  if (last) {
    body.writer = body.cancel = undefined;
    writer.close().catch(none);
  }
  return size;
};

/** The answer that passes the body of a handle on. @param {Served} the @param {ResponseInit} init @param {number} passed */
function passedOn(the, init, passed) {
  const held = handle(the, passed >>> 1);
  if (held?.begun) throw new Error("midge: a body of which something was read can't be passed on");
  const headers = new Headers(passed & 1 ? held?.source?.headers : undefined);
  for (const [name, value] of /** @type {any} */ (init.headers)) headers.append(name, value);
  const none = the.request?.method === "HEAD" || NULL_BODY.has(init.status);
  const response = new Response(none ? null : (held?.whole ?? held?.source?.body ?? null), { status: init.status, headers });
  if (held && !none) held.passed = true;
  return response;
}

/** What a handle of the program's stands for; 0 is the request's body. @param {Served} the @param {number} id @returns {Body | undefined} */
export const handle = (the, id) => (id ? the.handles?.[id - 1] : the.request && (the.body ??= { source: the.request }));

/** @type {Import} */
export const read = (the, id, place, size) => {
  const bytes = range(place, size), body = handle(the, id);
  if (!bytes) return EFAULT;
  if (!body) return EBADF;
  const { chunk } = body;
  const count = Math.min(bytes.length, chunk?.length ?? 0);
  if (chunk && count) {
    bytes.set(chunk.subarray(0, count));
    body.chunk = chunk.subarray(count);
    // The request's own may be there before its handler asks for it.
    body.begun = id > 0;
    return count;
  }
  if (body.error) return EIO;
  if (!body.reading) {
    if (body.ended) return 0;
    body.reading = true;
    wait(the, next(body, bytes.length));
  }
  return EAGAIN;
};

/** Has the event given up in `time`: a time that its program set anew counts instead of the one before, of limits (`limit` is 1) the earliest. @type {Import} */
export const deadline = (the, place, size, limit, _, __, time) => {
  const lines = range(place, size);
  if (!lines) return EFAULT;
  const timers = (the.timers ??= []), at = limit ? 1 : 0, set = timers[at];
  const late = more().text(lines), end = Date.now() + time;
  if (set && limit && set.end <= end) {
    set.late = late;
    return 0;
  }
  clearTimeout(set?.id);
  /** @type {import("./midge.js").Timer} */
  const timer = (timers[at] = { end, late });
  timer.id = setTimeout(() => { if (!the.over) more().fail(the, LATE, more().failure(503, LATE, timer.late)); }, time);
  return 0;
};

/** Has the next chunk come in: the whole body, if it is known to fit into `room`. @param {Body} body @param {number} room */
async function next(body, room) {
  try {
    const { source } = body;
    const known = body.reader || !source?.arrayBuffer ? -1 : source.body ? length(source) : 0;
    if (known >= 0 && known <= room) {
      body.chunk = body.whole = new Uint8Array(await source.arrayBuffer());
      body.ended = true;
      if (body.whole.length !== known) throw new Error(`midge: a body of ${body.whole.length} bytes, said to have ${known}`);
    } else {
      body.reader ??= source?.body?.getReader();
      const { value, done } = (await body.reader?.read()) ?? { done: true };
      body.chunk = value;
      body.ended = done;
    }
  } catch (error) {
    body.chunk = undefined;
    body.error = error ?? true;
  }
  body.reading = false;
}

/** Gives up a call under way, what was not sent, and what was not read. @param {Body} body */
export function close(body) {
  const { passed, ended, reader, source, writer, cancel } = body;
  body.closed = true;
  cancel?.();
  writer?.abort().catch(none);
  if (!passed && !ended) (reader ?? source?.body)?.cancel().catch(none);
}

/** Length of a message's body; -1 if it isn't known. What a response says is that of its coded body, which the platform decodes. @param {any} message */
export function length({ headers, size, status }) {
  const said = size ?? headers?.get("content-length") ?? "";
  return /^\d+$/.test(said) && !(status && headers.has("content-encoding")) ? Number(said) : -1;
}

/** The same as the program is told it, in 32 bits. @param {any} message */
export const told = (message) => Math.min(length(message), TOO_LONG);
