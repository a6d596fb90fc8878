// A client of the wallet sync service (API 3) for browsers; the same as clients/python/wallet_sync.py, in the same order.
// Needs nothing but the browser: WebCrypto, which is there on https:// and on this machine's own addresses.

// ---- errors

// status: HTTP's, 0 if there was no answer. The text is the server's.
export class SyncError extends Error {
    constructor(text, status = 0, retryAfter = 0) {
        super(text);
        Object.assign(this, {status, retryAfter});
    }
}
export class NoAnswer extends SyncError {}
export class IntegrityError extends SyncError {}
export class PasswordChanged extends SyncError {}
// theirs: the wallet that could not be merged.
export class Conflict extends SyncError {}

// ---- bytes

const encoder = new TextEncoder();
export const bytesOf = (text) => encoder.encode(text);
export const textOf = (bytes) => new TextDecoder("utf-8", {ignoreBOM: true}).decode(bytes);
export const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const bytesOfHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export function base64Of(bytes) {
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
}

export const bytesOfBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// Keyboards differ in how they compose the same letter.
const passwordBytes = (password) => bytesOf(password.normalize("NFKC"));

async function bits(algorithm, use, key, operation) {
    const imported = await crypto.subtle.importKey("raw", key, algorithm, false, [use]);
    return new Uint8Array(await operation(imported));
}

// ---- scrypt (RFC 7914), which WebCrypto lacks

const turn = (word, by) => (word << by) | (word >>> (32 - by));

// x becomes Salsa20/8 of x xor the block of b at that place.
function salsa(x, b, at) {
    for (let i = 0; i < 16; i++) x[i] ^= b[at + i];
    let [a0, a1, a2, a3, a4, a5, a6, a7] = [x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]];
    let [a8, a9, aa, ab, ac, ad, ae, af] = [x[8], x[9], x[10], x[11], x[12], x[13], x[14], x[15]];
    for (let round = 0; round < 4; round++) {
        a4 ^= turn(a0 + ac | 0, 7); a8 ^= turn(a4 + a0 | 0, 9); ac ^= turn(a8 + a4 | 0, 13); a0 ^= turn(ac + a8 | 0, 18);
        a9 ^= turn(a5 + a1 | 0, 7); ad ^= turn(a9 + a5 | 0, 9); a1 ^= turn(ad + a9 | 0, 13); a5 ^= turn(a1 + ad | 0, 18);
        ae ^= turn(aa + a6 | 0, 7); a2 ^= turn(ae + aa | 0, 9); a6 ^= turn(a2 + ae | 0, 13); aa ^= turn(a6 + a2 | 0, 18);
        a3 ^= turn(af + ab | 0, 7); a7 ^= turn(a3 + af | 0, 9); ab ^= turn(a7 + a3 | 0, 13); af ^= turn(ab + a7 | 0, 18);
        a1 ^= turn(a0 + a3 | 0, 7); a2 ^= turn(a1 + a0 | 0, 9); a3 ^= turn(a2 + a1 | 0, 13); a0 ^= turn(a3 + a2 | 0, 18);
        a6 ^= turn(a5 + a4 | 0, 7); a7 ^= turn(a6 + a5 | 0, 9); a4 ^= turn(a7 + a6 | 0, 13); a5 ^= turn(a4 + a7 | 0, 18);
        ab ^= turn(aa + a9 | 0, 7); a8 ^= turn(ab + aa | 0, 9); a9 ^= turn(a8 + ab | 0, 13); aa ^= turn(a9 + a8 | 0, 18);
        ac ^= turn(af + ae | 0, 7); ad ^= turn(ac + af | 0, 9); ae ^= turn(ad + ac | 0, 13); af ^= turn(ae + ad | 0, 18);
    }
    x[0] += a0; x[1] += a1; x[2] += a2; x[3] += a3; x[4] += a4; x[5] += a5; x[6] += a6; x[7] += a7;
    x[8] += a8; x[9] += a9; x[10] += aa; x[11] += ab; x[12] += ac; x[13] += ad; x[14] += ae; x[15] += af;
}

// scryptBlockMix of the words b, by way of the words y.
function blockMix(b, y, x, r) {
    x.set(b.subarray(b.length - 16));
    for (let i = 0; i < 2 * r; i++) {
        salsa(x, b, 16 * i);
        y.set(x, 16 * ((i & 1) * r + (i >> 1)));
    }
    b.set(y);
}

// scryptROMix; lets the page breathe now and then.
async function roMix(b, n, r) {
    const size = 32 * r, table = new Int32Array(n * size), y = new Int32Array(size), x = new Int32Array(16);
    const breathe = () => new Promise((resolve) => setTimeout(resolve));
    for (let i = 0; i < n; i++) {
        table.set(b, i * size);
        blockMix(b, y, x, r);
        if ((i & 8191) === 8191) await breathe();
    }
    for (let i = 0; i < n; i++) {
        const at = (b[size - 16] & (n - 1)) * size;
        for (let word = 0; word < size; word++) b[word] ^= table[at + word];
        blockMix(b, y, x, r);
        if ((i & 8191) === 8191) await breathe();
    }
}

function pbkdf2(password, salt, length) {
    const how = {name: "PBKDF2", hash: "SHA-256", salt, iterations: 1};
    return bits("PBKDF2", "deriveBits", password, (key) => crypto.subtle.deriveBits(how, key, 8 * length));
}

// n is a power of two. All processors that browsers run on have the byte order that RFC 7914 wants.
export async function scrypt(password, salt, {n, r, p}, length) {
    const blocks = await pbkdf2(password, salt, 128 * r * p);
    for (let i = 0; i < p; i++) await roMix(new Int32Array(blocks.buffer, 128 * r * i, 32 * r), n, r);
    return pbkdf2(password, blocks, length);
}

// ---- keys

// See clients/python/README.md.
export const KDF = Object.freeze({n: 1 << 20, r: 8, p: 1, saltDigits: 32});

export const newSaltSeed = () => hexOf(crypto.getRandomValues(new Uint8Array(32)));

// {login, hmac}: the server's word for password, and the key that wallets are signed with.
export async function deriveKeys(password, email, saltSeed, kdf = KDF) {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytesOf(`${email}:${saltSeed}`)));
    const derived = await scrypt(passwordBytes(password), bytesOf(hexOf(hash).slice(0, kdf.saltDigits)), kdf, 64);
    return {login: base64Of(derived.subarray(0, 32)), hmac: derived.slice(32)};
}

export async function walletHmac(key, sequence, encryptedWallet) {
    const signed = bytesOf(`${sequence}:${encryptedWallet}`);
    return hexOf(await bits({name: "HMAC", hash: "SHA-256"}, "sign", key, (hmac) => crypto.subtle.sign("HMAC", hmac, signed)));
}

// ---- wallets

const HEAD = "s:8192:16:1:";

async function cipherKey(password, vector, n, r, p) {
    return scrypt(passwordBytes(password), vector, {n, r, p}, 32);
}

// vector: for test vectors only, the same must never be used twice.
export async function encrypt(password, data, vector = crypto.getRandomValues(new Uint8Array(16))) {
    const key = await cipherKey(password, vector, 8192, 16, 1);
    const how = {name: "AES-CBC", iv: vector};
    const sealed = await bits("AES-CBC", "encrypt", key, (aes) => crypto.subtle.encrypt(how, aes, data));
    const bytes = new Uint8Array(HEAD.length + vector.length + sealed.length);
    bytes.set(bytesOf(HEAD));
    bytes.set(vector, HEAD.length);
    bytes.set(sealed, HEAD.length + vector.length);
    return base64Of(bytes);
}

export async function decrypt(password, text) {
    const bytes = bytesOfBase64(text);
    const head = /^s:(\d{1,7}):(\d{1,3}):(\d{1,2}):/.exec(String.fromCharCode(...bytes.subarray(0, 24)));
    const [n, r, p] = head ? head.slice(1).map(Number) : [0, 0, 0];
    if (!head || n * r > 1 << 23 || n & (n - 1)) throw new IntegrityError("not an encrypted wallet");
    const vector = bytes.slice(head[0].length, head[0].length + 16), sealed = bytes.slice(head[0].length + 16);
    const key = await cipherKey(password, vector, n, r, p);
    try {
        const how = {name: "AES-CBC", iv: vector};
        return await bits("AES-CBC", "decrypt", key, (aes) => crypto.subtle.decrypt(how, aes, sealed));
    } catch {
        throw new IntegrityError("not encrypted with this password");
    }
}

// ---- the device

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

// Pauses that grow to twice the last one, each by chance between its half and its whole.
class Backoff {
    constructor(first = 0.5, most = 60) {
        Object.assign(this, {first, most, next: first});
    }

    pause() {
        const length = this.next;
        this.next = Math.min(2 * length, this.most);
        return length * (1 + Math.random()) / 2;
    }

    reset() {
        this.next = this.first;
    }
}

// An account on one device. known: {sequence, data} that server and device agreed on last. onRequest: is told of each request,
// {method, path, sent, status, got}. patience: seconds for which a request is repeated when the server does not answer or asks
// for that.
export class Client {
    #keys = null;
    #seed = "";
    #token = null;
    #seen = {}; // what the server had, and the token that it was asked with
    #turn = Promise.resolve();

    constructor(url, email, password, device, {kdf = KDF, known = null, patience = 30, onRequest = () => {}} = {}) {
        Object.assign(this, {url: url.replace(/\/+$/, ""), email, password, device, kdf, known, patience, onRequest});
    }

    // Calls come one after the other.
    #do(work) {
        const done = this.#turn.then(work);
        this.#turn = done.catch(() => {});
        return done;
    }

    // Makes the account. False: the link in the mail has to be opened first, or that is not known as the answer was lost.
    signup() {
        return this.#do(async () => {
            const seed = newSaltSeed(), keys = await deriveKeys(this.password, this.email, seed, this.kdf);
            const sent = {email: this.email, password: keys.login, clientSaltSeed: seed};
            const answer = await this.#ask("POST", "/signup", sent);
            const lost = answer.status === 409 && answer.repeated && await this.#saltSeed() === seed;
            const verified = lost ? false : good(answer, 201).fields.verified;
            this.#seed = seed;
            this.#keys = keys;
            return verified;
        });
    }

    login() {
        return this.#do(() => this.#login());
    }

    async #login() {
        const seed = await this.#saltSeed();
        if (!this.#keys || seed !== this.#seed) {
            this.#keys = await deriveKeys(this.password, this.email, seed, this.kdf);
            this.#seed = seed;
        }
        this.#token = good(await this.#authenticate(this.#keys)).fields.token;
    }

    #authenticate(keys) {
        return this.#ask("POST", "/auth/full", {email: this.email, password: keys.login, deviceId: this.device});
    }

    async #saltSeed() {
        const email = encodeURIComponent(base64Of(bytesOf(this.email)));
        return good(await this.#ask("GET", `/client-salt-seed?email=${email}`)).fields.clientSaltSeed;
    }

    // {sequence, data}, or null before the first wallet.
    getWallet() {
        return this.#do(async () => {
            const found = await this.#read();
            this.known = found && {sequence: found.sequence, data: found.data};
            return this.known;
        });
    }

    async #read() {
        if (!this.#token) throw new SyncError("Not logged in");
        const headers = {Authorization: `Bearer ${this.#token}`};
        // In another life of the account, its sequence may be another wallet's.
        const seen = this.#seen.token === this.#token && this.#seen.sequence === this.known?.sequence;
        if (this.known && seen) headers["If-None-Match"] = `"${this.known.sequence}"`;
        const answer = await this.#ask("GET", "/wallet", null, headers);
        if (answer.status === 304 && this.known) return {...this.known, hmac: ""};
        if (answer.status === 404) {
            if (this.known) throw new IntegrityError(`The server has no wallet any more; it had sequence ${this.known.sequence}`);
            return null;
        }
        const {encryptedWallet, sequence, hmac} = good(answer).fields;
        if (!Number.isSafeInteger(sequence) || hmac !== await walletHmac(this.#keys.hmac, sequence, encryptedWallet)) {
            throw new IntegrityError("The HMAC of the server's wallet is wrong: changed, or written with another password");
        }
        if (this.known && sequence < this.known.sequence) {
            throw new IntegrityError(`The server has sequence ${sequence}; it had ${this.known.sequence} before`);
        }
        const data = await decrypt(this.password, encryptedWallet);
        if (this.known && sequence === this.known.sequence && !sameBytes(data, this.known.data)) {
            throw new IntegrityError(`The server has another wallet of sequence ${sequence} than it had before`);
        }
        this.#seen = {token: this.#token, sequence};
        return {sequence, data, hmac};
    }

    async #sealed(password, keys, {sequence, data}) {
        const encryptedWallet = await encrypt(password, data);
        return {encryptedWallet, sequence, hmac: await walletHmac(keys.hmac, sequence, encryptedWallet)};
    }

    // merge(base, mine, theirs) gets and makes Uint8Arrays; base is null if this device had nothing yet.
    saveWallet(data, merge = null, attempts = 5) {
        return this.#do(async () => {
            if (!this.#token) throw new SyncError("Not logged in");
            let base = this.known, refused = null;
            for (let attempt = 0; attempt < attempts; attempt++) {
                const mine = {sequence: base ? base.sequence + 1 : 1, data};
                const sealed = await this.#sealed(this.password, this.#keys, mine);
                const answer = await this.#ask("POST", "/wallet", {token: this.#token, ...sealed});
                if (answer.status !== 409) {
                    good(answer);
                    this.#seen = {token: this.#token, sequence: mine.sequence};
                    return this.known = mine;
                }
                const found = await this.#read();
                if (found && found.hmac === sealed.hmac) return this.known = mine; // it had gone through
                const theirs = found && {sequence: found.sequence, data: found.data};
                refused = Object.assign(new Conflict(answer.fields.error, 409), {theirs});
                if (!merge || !theirs) throw refused;
                data = merge(base && base.data, data, theirs.data);
                if (sameBytes(data, theirs.data)) return this.known = theirs;
                base = theirs;
            }
            throw refused;
        });
    }

    // The server's wallet goes along, encrypted with the new password. All other devices are logged out. Resolves as getWallet.
    changePassword(password, attempts = 5) {
        return this.#do(async () => {
            const seed = newSaltSeed(), keys = await deriveKeys(password, this.email, seed, this.kdf);
            let answer = null;
            for (let attempt = 0; attempt < attempts; attempt++) {
                const theirs = await this.#read(), mine = theirs && {sequence: theirs.sequence + 1, data: theirs.data};
                const sent = {email: this.email, oldPassword: this.#keys.login, newPassword: keys.login, clientSaltSeed: seed};
                answer = await this.#ask("POST", "/password", {...sent, ...(mine && await this.#sealed(password, keys, mine))});
                const lost = answer.status === 401 && answer.repeated && (await this.#authenticate(keys)).status === 200;
                if (answer.status === 200 || lost) {
                    Object.assign(this, {password, known: mine});
                    this.#seed = seed;
                    this.#keys = keys;
                    await this.#login();
                    return mine;
                }
                if (answer.status !== 409) break;
            }
            throw errorOf(answer);
        });
    }

    // Calls onUpdate with the newest sequence whenever there is one beyond that of `known`, over lost connections too, until
    // close() is called; onEnd with what ends it otherwise; onState with true and false as the connection comes and goes.
    listen(onUpdate, onEnd = () => {}, onState = () => {}) {
        const backoff = new Backoff();
        let told = this.known?.sequence ?? 0, socket = null, closed = false;
        const tell = (sequence) => {
            if (closed || sequence <= told) return;
            told = sequence;
            onUpdate(sequence);
        };
        const connect = () => new Promise((resolve) => {
            socket = new WebSocket(`${this.url.replace(/^http/, "ws")}/api/3/websocket?token=${this.#token}`);
            socket.onopen = () => {
                onState(true);
                // The server tells of what comes from now on; what came before has to be asked for.
                this.#newest(told).then(tell, () => socket.close());
            };
            socket.onmessage = ({data}) => tell(Number(/^wallet-update:(\d+)$/.exec(data)?.[1] ?? 0));
            socket.onclose = resolve;
        });
        const serve = async () => {
            while (!closed) {
                const opened = Date.now(), {code, reason} = await connect();
                onState(false);
                if (closed) return;
                if (code === 1008 && reason === "password changed") {
                    throw new PasswordChanged("The password was changed by another device");
                }
                // A browser does not say why a websocket was refused; a request does.
                await this.#newest(told).catch((error) => {
                    if (error.status === 401) throw error;
                });
                if (Date.now() - opened > 10000) backoff.reset();
                await wait(code === 1008 ? backoff.most : backoff.pause());
            }
        };
        serve().catch((error) => closed || onEnd(error));
        return {close: () => {
            closed = true;
            socket?.close();
        }};
    }

    async #newest(told) {
        const headers = {"Authorization": `Bearer ${this.#token}`, "If-None-Match": `"${told}"`};
        const answer = await this.#ask("GET", "/wallet", null, headers);
        return answer.status === 304 || answer.status === 404 ? told : good(answer).fields.sequence;
    }

    // Repeats the request as long as that may help. The caller looks at the status.
    async #ask(method, path, sent = null, headers = {}) {
        const backoff = new Backoff(), end = Date.now() + 1000 * this.patience;
        for (let repeated = false; ; repeated = true) {
            let trouble, pause = backoff.pause();
            try {
                const answer = await this.#exchange(method, path, sent, headers);
                if (answer.status !== 503 && answer.status !== 429) return {...answer, repeated};
                trouble = errorOf(answer);
                pause = Math.max(pause, trouble.retryAfter);
            } catch (error) {
                trouble = new NoAnswer(`No answer from ${this.url}: ${error.message}`);
                this.onRequest({method, path, sent, status: 0, got: {error: trouble.message}});
            }
            if (Date.now() + 1000 * pause > end) throw trouble;
            await wait(pause);
        }
    }

    async #exchange(method, path, sent, headers) {
        const options = {method, headers: {...headers}, cache: "no-store", credentials: "omit", redirect: "error"};
        if (sent) {
            options.body = JSON.stringify(sent);
            options.headers["Content-Type"] = "application/json";
        }
        const reply = await fetch(`${this.url}/api/3${path}`, options), text = await reply.text();
        let fields = {};
        try {
            fields = JSON.parse(text);
        } catch {
            fields = {error: text || `${reply.status} ${reply.statusText}`};
        }
        this.onRequest({method, path, sent, status: reply.status, got: reply.status === 304 ? {} : fields});
        return {status: reply.status, fields, retryAfter: Number(reply.headers.get("Retry-After")) || 0};
    }
}

function errorOf({status, fields, retryAfter}) {
    return new (status === 409 ? Conflict : SyncError)(fields.error ?? String(status), status, retryAfter);
}

function good(answer, status = 200) {
    if (answer.status !== status) throw errorOf(answer);
    return answer;
}

const sameBytes = (one, other) => one.length === other.length && one.every((byte, i) => byte === other[i]);
