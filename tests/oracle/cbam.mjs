// CBAM in JavaScript, forward and backward: it reads golden vectors with nothing but their
// manifest, and writes what it computes. `node cbam.mjs VECTORS RESULTS [two-sigmoids|max-detached]`

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// A tensor is { shape, data }, row-major, in float64.
const size = (shape) => shape.reduce((a, b) => a * b, 1);
const zeros = (shape) => ({ shape, data: new Float64Array(size(shape)) });
const zip = (a, b, f) => ({ shape: a.shape, data: a.data.map((v, i) => f(v, b.data[i])) });
const map = (a, f) => ({ shape: a.shape, data: a.data.map(f) });
const sigmoid = (z) => 1 / (1 + Math.exp(-z));

function decodeHalf(bits, dtype) {
  if (dtype === "bfloat16") {
    return new Float32Array(Uint32Array.from(bits, (b) => b << 16).buffer);
  }
  return Float64Array.from(bits, (b) => {
    const [exponent, fraction] = [(b >> 10) & 31, b & 1023];
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return b >> 15 ? -size : size;
  });
}

function readNpy(file, dtype) {
  const bytes = readFileSync(file);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, start);
  const descr = /'descr': '([^']+)'/.exec(header)[1];
  const shape = /'shape': \(([^)]*)\)/.exec(header)[1].split(",").filter((s) => s.trim());
  const body = bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length);
  const data = {
    "<f8": () => new Float64Array(body),
    "<f4": () => new Float32Array(body),
    "<u2": () => decodeHalf(new Uint16Array(body), dtype),
  }[descr]();
  return { shape: shape.map(Number), data: Float64Array.from(data) };
}

function writeNpy(file, { shape, data }) {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  let header = `{'descr': '<f8', 'fortran_order': False, 'shape': (${tuple}), }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const head = Buffer.alloc(10);
  head.write("\x93NUMPY\x01\x00", "latin1");
  head.writeUInt16LE(header.length, 8);
  writeFileSync(file, Buffer.concat([head, Buffer.from(header), Buffer.from(data.buffer)]));
}

// Pool rows of entries: `rows` lists, for each result, the indices in x that it is of.
function pool(x, rows, shape, kind, ties) {
  const y = zeros(shape);
  const winners = rows.map((row, i) => {
    const values = row.map((j) => x.data[j]);
    if (kind === "avg") {
      y.data[i] = values.reduce((a, b) => a + b, 0) / row.length;
      return row;
    }
    y.data[i] = Math.max(...values);
    const tied = row.filter((j) => x.data[j] === y.data[i]);
    return ties === "first" ? tied.slice(0, 1) : tied;
  });
  const pullback = (dy, dx) => {
    winners.forEach((row, i) => row.forEach((j) => (dx.data[j] += dy.data[i] / row.length)));
  };
  return [y, pullback];
}

const range = (n) => Array.from({ length: n }, (_, i) => i);
// How x (N, C, S positions) lies in memory.
const spatialRows = (n, c, s) => range(n * c).map((i) => range(s).map((p) => i * s + p));
const channelRows = (n, c, s) =>
  range(n * s).map((i) => range(c).map((k) => (Math.floor(i / s) * c + k) * s + (i % s)));

// Descriptors of x, or the mean of them, and the way back.
function describe(x, rows, shape, kinds, { blend, ties }) {
  const pooled = kinds.map((kind) => pool(x, rows, shape, kind, ties));
  const values = pooled.map(([y]) => y);
  if (!blend) return [values, values, (ds, dx) => pooled.forEach(([, back], i) => back(ds[i], dx))];
  const share = 1 / kinds.length;
  const mean = map(values.reduce((a, b) => zip(a, b, (u, v) => u + v)), (v) => v * share);
  const back = ([d], dx) => pooled.forEach(([, each]) => each(map(d, (v) => v * share), dx));
  return [values, [mean], back];
}

function mlp(t, f, n) {
  const [hidden, c] = t.w0.shape;
  const [a, z] = [zeros([n, hidden]), zeros([n, c])];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < hidden; j++) {
      let sum = t.b0 ? t.b0.data[j] : 0;
      for (let k = 0; k < c; k++) sum += t.w0.data[j * c + k] * f.data[i * c + k];
      a.data[i * hidden + j] = sum;
    }
    for (let k = 0; k < c; k++) {
      let sum = t.b1 ? t.b1.data[k] : 0;
      for (let j = 0; j < hidden; j++) {
        sum += t.w1.data[k * hidden + j] * Math.max(0, a.data[i * hidden + j]);
      }
      z.data[i * c + k] = sum;
    }
  }
  const pullback = (dz, d) => {
    const df = zeros(f.shape);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < hidden; j++) {
        if (a.data[i * hidden + j] <= 0) continue;
        let da = 0;
        for (let k = 0; k < c; k++) {
          da += dz.data[i * c + k] * t.w1.data[k * hidden + j];
          d.w1.data[k * hidden + j] += dz.data[i * c + k] * a.data[i * hidden + j];
        }
        if (d.b0) d.b0.data[j] += da;
        for (let k = 0; k < c; k++) {
          d.w0.data[j * c + k] += da * f.data[i * c + k];
          df.data[i * c + k] += da * t.w0.data[j * c + k];
        }
      }
      for (let k = 0; d.b1 && k < c; k++) d.b1.data[k] += dz.data[i * c + k];
    }
    return df;
  };
  return [z, pullback];
}

// Call visit(tap, seen, position) for every tap of the kernel and position that it sees.
function eachTap(kernel, space, visit) {
  for (let tap = 0; tap < size(kernel); tap++) {
    for (let p = 0; p < size(space); p++) {
      let [restTap, restP, q, stride, inside] = [tap, p, 0, 1, true];
      for (let axis = space.length - 1; axis >= 0; axis--) {
        const offset = (restTap % kernel[axis]) - (kernel[axis] - 1) / 2;
        const at = (restP % space[axis]) + offset;
        inside &&= at >= 0 && at < space[axis];
        q += at * stride;
        stride *= space[axis];
        restTap = Math.floor(restTap / kernel[axis]);
        restP = Math.floor(restP / space[axis]);
      }
      if (inside) visit(tap, q, p);
    }
  }
}

function correlate(t, planes, n, space) {
  const [s, p, taps] = [size(space), planes.length, size(t.w.shape.slice(2))];
  const kernel = t.w.shape.slice(2);
  const z = zeros([n, 1, ...space]);
  if (t.b) z.data.fill(t.b.data[0]);
  const every = (visit) =>
    eachTap(kernel, space, (tap, seen, at) => {
      for (let k = 0; k < p; k++) {
        for (let i = 0; i < n; i++) visit(k, k * taps + tap, i * s + seen, i * s + at);
      }
    });
  every((k, w, seen, at) => (z.data[at] += t.w.data[w] * planes[k].data[seen]));
  const pullback = (dz, d) => {
    const dplanes = planes.map((plane) => zeros(plane.shape));
    every((k, w, seen, at) => {
      d.w.data[w] += dz.data[at] * planes[k].data[seen];
      dplanes[k].data[seen] += dz.data[at] * t.w.data[w];
    });
    if (d.b) d.b.data[0] = dz.data.reduce((a, b) => a + b, 0);
    return dplanes;
  };
  return [z, pullback];
}

function norm(t, z, eps) {
  const [gamma, inv] = [t.gamma.data[0], 1 / Math.sqrt(t.var.data[0] + eps)];
  const hat = map(z, (v) => (v - t.mean.data[0]) * inv);
  const pullback = (dy, d) => {
    d.gamma.data[0] = dy.data.reduce((sum, v, i) => sum + v * hat.data[i], 0);
    d.beta.data[0] = dy.data.reduce((a, b) => a + b, 0);
    d.mean.data[0] = -d.beta.data[0] * gamma * inv;
    d.var.data[0] = (-d.gamma.data[0] * gamma * inv * inv) / 2;
    return map(dy, (v) => v * gamma * inv);
  };
  return [map(hat, (v) => v * gamma + t.beta.data[0]), pullback];
}

// y = gate x, where entry i of x has the gate number `of(i)`, and gate = σ(z).
function refine(gate, x, of) {
  const y = { shape: x.shape, data: x.data.map((v, i) => v * gate.data[of(i)]) };
  const pullback = (dy) => {
    const [dz, dx] = [zeros(gate.shape), zeros(x.shape)];
    dy.data.forEach((v, i) => {
      const g = gate.data[of(i)];
      dx.data[i] = v * g;
      dz.data[of(i)] += v * x.data[i] * g * (1 - g);
    });
    return [dz, dx];
  };
  return [y, pullback];
}

function cbam(t, how, mistake) {
  const { x, dy } = t;
  const [n, c, ...space] = x.shape;
  const s = size(space);
  const d = Object.fromEntries(Object.entries(t).map(([name, a]) => [name, zeros(a.shape)]));
  const out = {};

  const points = [n, c, ...space.map(() => 1)];
  const [pooled, fs, poolsBack] = describe(x, spatialRows(n, c, s), points, how.pools, how);
  how.pools.forEach((kind, i) => (out[`f_${kind}`] = pooled[i]));
  const passes = fs.map((f) => mlp(t, f, n));
  const add = (a, b) => zip(a, b, (u, v) => u + v);
  out.zc = { shape: points, data: passes.map(([z]) => z).reduce(add).data };
  out.mc = map(out.zc, sigmoid);
  if (mistake === "two-sigmoids") {
    out.mc = { shape: points, data: passes.map(([z]) => map(z, sigmoid)).reduce(add).data };
  }
  const [f, channelBack] = refine(out.mc, x, (i) => Math.floor(i / s));
  out.f = out.y = f;

  let spatialBack = (dy) => dy;
  if (how.planes) {
    const flat = [n, 1, ...space];
    const [, planes, planesBack] = describe(f, channelRows(n, c, s), flat, how.planes, how);
    out.planes = zeros([n, planes.length, ...space]);
    planes.forEach(({ data }, k) =>
      data.forEach((v, i) => {
        out.planes.data[(Math.floor(i / s) * planes.length + k) * s + (i % s)] = v;
      }),
    );
    let [z, zBack] = correlate(t, planes, n, space);
    if (how.norm_eps !== null) {
      const [normed, normBack] = norm(t, z, how.norm_eps);
      const convBack = zBack;
      [z, zBack] = [normed, (dz, d) => convBack(normBack(dz, d), d)];
    }
    out.zs = z;
    out.ms = map(z, sigmoid);
    const [y, gateBack] = refine(out.ms, f, (i) => Math.floor(i / (c * s)) * s + (i % s));
    out.y = y;
    spatialBack = (dy) => {
      const [dz, df] = gateBack(dy);
      planesBack(zBack(dz, d), df);
      return df;
    };
  }
  if (how.residual) out.y = add(out.y, x);

  const [dzc, dx] = channelBack(spatialBack(dy));
  const dfs = passes.map(([, back]) => back(dzc, d));
  if (mistake === "max-detached" && dfs.length > 1) dfs[1].data.fill(0);
  poolsBack(dfs, dx);
  out.dx = how.residual ? add(dx, dy) : dx;
  for (const name of Object.keys(t)) if (name !== "x" && name !== "dy") out[`d${name}`] = d[name];
  return out;
}

const [vectors, results, mistake] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(join(vectors, "manifest.json"), "utf8"));
if (manifest.schema !== 1) throw new Error(`unknown schema ${manifest.schema}`);
for (const { name, dtype, convention, tensors } of manifest.cases) {
  const given = Object.entries(tensors).filter(([, { role }]) => role !== "computed");
  const read = ([key, { file }]) => [key, readNpy(join(vectors, file), dtype)];
  const computed = cbam(Object.fromEntries(given.map(read)), convention, mistake);
  mkdirSync(join(results, name), { recursive: true });
  for (const [key, { role }] of Object.entries(tensors)) {
    if (role === "computed") writeNpy(join(results, name, `${key}.npy`), computed[key]);
  }
}
