// What a program holds of the host's: the result of a call, or a body that it reads.

const ENOENT = -2, EIO = -5, EAGAIN = -11;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

/** What a host call gives, or a message whose body is read. */
export class Handle {
  /** @param {import("./midge.js").Served} owner @param {any} [source] */
  constructor(owner, source) {
    this.owner = owner;
    /** A Request, Response or R2 object: something with a body. @type {any} */
    this.source = source;
    this.result = EAGAIN;
    /** @type {Uint8Array} */
    this.bytes = NOTHING;
    /** @type {Uint8Array[]} */
    this.rows = [];
    this.row = 0;
    /** @type {ReadableStreamDefaultReader<Uint8Array> | undefined} */
    this.reader = undefined;
    /** @type {Uint8Array} */
    this.chunk = NOTHING;
    this.reading = false;
    this.ended = false;
    /** @type {unknown} */
    this.error = undefined;
  }

  /** Takes in what an operation gave. @param {any} value */
  settle(value) {
    if (value === null || value === undefined) this.result = ENOENT;
    else if (typeof value === "number" || typeof value === "boolean") this.result = Number(value);
    else if (typeof value === "string") this.settle(encoder.encode(value));
    else if (value instanceof ArrayBuffer) this.settle(new Uint8Array(value));
    else if (ArrayBuffer.isView(value)) {
      this.bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      this.result = this.bytes.length;
    } else if (value.rows) {
      this.rows = value.rows;
      this.settle(value.value);
    } else {
      this.source = value;
      this.result = value.status ?? value.size ?? 0;
    }
  }

  /** @param {any} error */
  reject(error) {
    this.result = error?.errno ?? EIO;
    if (this.result === EIO) console.error(String(error));
  }

  /** @param {Uint8Array} place */
  read(place) {
    if (this.chunk.length) return this.copy(place);
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
      const source = this.source;
      if (!this.reader && source?.arrayBuffer && length(source) <= room) {
        this.chunk = new Uint8Array(await source.arrayBuffer());
        this.ended = true;
      } else {
        this.reader ??= (source?.body ?? source)?.getReader?.();
        const { value, done } = this.reader ? await this.reader.read() : { value: undefined, done: true };
        this.chunk = value ?? NOTHING;
        this.ended = done;
      }
    } catch (error) {
      this.error = error ?? true;
    }
    this.reading = false;
  }

  /** @param {Uint8Array} place */
  copy(place) {
    const count = Math.min(place.length, this.chunk.length);
    place.set(this.chunk.subarray(0, count));
    this.chunk = this.chunk.subarray(count);
    return count;
  }

  cancel() {
    this.reader?.cancel().catch(() => {});
  }
}

/** Length of a message's body: 0 without one, infinite if it isn't known. @param {any} message @returns {number} */
export function length(message) {
  if (!message.body) return 0;
  const field = message.headers?.get("content-length");
  return field && /^\d+$/.test(field) ? Number(field) : Infinity;
}
