// Reads IMAP's BODY, BODYSTRUCTURE and ENVELOPE text back, and says where two of them differ.

export type Value = string | null | Value[];

/** Parses one parenthesised value with strings, NIL, numbers and literals (latin1). */
export function parseImap(text: string): Value {
  let at = 0;
  const value = (): Value => {
    while (text[at] === ' ') at++;
    if (text[at] === '(') {
      at++;
      const list: Value[] = [];
      for (;;) {
        while (text[at] === ' ') at++;
        if (at >= text.length) throw new Error(`unclosed list: ${text}`);
        if (text[at] === ')') break;
        list.push(value());
      }
      at++;
      return list;
    }
    if (text[at] === '"') {
      let out = '';
      for (at++; text[at] !== '"'; at++) {
        if (at >= text.length || text[at] === '\r' || text[at] === '\n') throw new Error(`unclosed string: ${text}`);
        if (text[at] === '\\') at++;
        out += text[at];
      }
      at++;
      return out;
    }
    const literal = /^\{(\d+)\}\r\n/.exec(text.slice(at, at + 20));
    if (literal) {
      at += literal[0].length;
      const out = text.slice(at, at + Number(literal[1]));
      if (out.length !== Number(literal[1])) throw new Error(`literal too short: ${text}`);
      at += out.length;
      return out;
    }
    const atom = /^[^\s()"]+/.exec(text.slice(at, at + 40))?.[0];
    if (atom === undefined) throw new Error(`no value at ${at}: ${text}`);
    at += atom.length;
    if (atom === 'NIL') return null;
    if (!/^\d+$/.test(atom)) throw new Error(`no number: ${atom}`);
    return atom;
  };
  const parsed = value();
  if (at !== text.length) throw new Error(`goes on after its end: ${text.slice(at)}`);
  return parsed;
}

/** One difference: where (section number and item) and what both say. */
export interface Difference {
  where: string;
  item: string;
  ours: Value | undefined;
  theirs: Value | undefined;
}

interface Flat {
  [item: string]: Value | undefined;
}

/** A structure as `section → items`, so that two can be compared whatever their order of parameters. */
export function flatten(structure: Value, path = '', out = new Map<string, Flat>()): Map<string, Flat> {
  if (!Array.isArray(structure)) throw new Error('a body must be a list');
  const items: Flat = {};
  out.set(path, items);
  if (Array.isArray(structure[0])) {
    let n = 0;
    while (Array.isArray(structure[n])) flatten(structure[n], path === '' ? `${++n}` : `${path}.${++n}`, out);
    items.parts = String(n);
    items.type = 'multipart';
    items.subtype = lower(structure[n]);
    [items.params, items.disposition, items.language, items.location] = structure.slice(n + 1);
  } else {
    const [type, subtype, params, id, description, encoding, size, ...rest] = structure;
    Object.assign(items, { type: lower(type), subtype: lower(subtype), params, id, description, encoding: lower(encoding), size });
    if (items.type === 'text') items.lines = rest.shift();
    else if (items.type === 'message' && Array.isArray(rest[0]) && rest[0].length === 10) {
      items.envelope = rest.shift();
      flatten(rest.shift()!, `${path}.message`, out);
      items.lines = rest.shift();
    }
    [items.md5, items.disposition, items.language, items.location] = rest;
  }
  items.params = lowerNames(items.params);
  if (Array.isArray(items.disposition)) items.disposition = [lower(items.disposition[0]), lowerNames(items.disposition[1]) ?? null];
  return out;
}

function lower(value: Value | undefined): Value {
  return typeof value === 'string' ? value.toLowerCase() : null;
}

function lowerNames(params: Value | undefined): Value | undefined {
  if (!Array.isArray(params)) return params;
  const pairs: string[][] = [];
  for (let i = 0; i + 1 < params.length; i += 2) pairs.push([String(params[i]).toLowerCase(), String(params[i + 1])]);
  return pairs.length === 0 ? null : pairs.toSorted((a, b) => (a[0] < b[0] ? -1 : 1));
}

export function differences(ours: Value, theirs: Value): Difference[] {
  const found: Difference[] = [];
  const [a, b] = [flatten(ours), flatten(theirs)];
  for (const where of new Set([...a.keys(), ...b.keys()])) {
    const [x, y] = [a.get(where), b.get(where)];
    if (!x || !y) found.push({ where, item: 'part', ours: x && describe(x), theirs: y && describe(y) });
    else {
      for (const item of new Set([...Object.keys(x), ...Object.keys(y)])) {
        if (JSON.stringify(x[item]) !== JSON.stringify(y[item])) found.push({ where, item, ours: x[item], theirs: y[item] });
      }
    }
  }
  return found;
}

function describe(items: Flat): string {
  return `${String(items.type)}/${String(items.subtype)}`;
}
