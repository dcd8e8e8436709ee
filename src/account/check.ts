// `check`: every object of a user, read and verified. Without the user's secret: names, order, gaps, authenticity of
// events, bundles and snapshots, and that blobs are whole in form. With it everything is opened, each blob
// too, and what events name but the store has not got is told.
import { Corrupt, reason } from '../base/index.ts';
import type { UserRecord } from '../directory/index.ts';
import { check, listAll } from '../log/index.ts';
import type { CheckOptions } from '../log/index.ts';
import { checkBlobForm, openBlob, openNamed, openRing } from '../seal/index.ts';
import type { Op } from '../state/index.ts';
import { blobName, damagedPrefix, keyName } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { isNewerKeyObject, keyObject } from './admin.ts';
import { unpack, userCodec } from './codec.ts';
import { OpenUser } from './open-user.ts';
import type { Replica } from './replica.ts';
import { readingOf } from './usage.ts';
import type { UserLog } from './user-log.ts';

export interface Checked {
  objects: number;
  bytes: number;
}

const NOTHING = Buffer.alloc(0);
const UIDS_AT_ONCE = 200;

/** Tells each problem as it is found. `secret`: a log of the user and the root key. Unavailable when the store does not answer. */
export async function checkUser(replica: Replica, record: UserRecord, found: (object: string | null, problem: string) => void, secret?: { at: UserLog; root: Buffer }): Promise<Checked> {
  const reading = readingOf(replica, record);
  const { store, root } = reading;
  const sum: Checked = { objects: 0, bytes: 0 };
  const source = secret && openingSource(replica, record, secret);
  for await (const f of check({ ...reading, source })) if (f.level === 'error') found(f.name, f.text);
  const blobs = new Set<string>();
  const { rows } = await listAll(store, root, reading.limits.list_keys_max, { rowsMax: reading.limits.list_blobs_max });
  const blobPrefix = blobName(root, '');
  const keyPrefix = keyName(root, '');
  for (const row of rows) {
    sum.objects++;
    sum.bytes += row.bytes;
    if (row.name.startsWith(blobPrefix)) {
      blobs.add(row.name.slice(blobPrefix.length));
      if (!secret) await checkForm(store, row.name, found);
    } else if (row.name.startsWith(damagedPrefix(root))) continue;
    else if (row.name.startsWith(keyPrefix) && !record.wraps.has(row.name.slice(keyPrefix.length))) found(row.name, 'a wrapped key that the directory does not know');
  }
  await checkKeys(store, root, record, found);
  if (secret) await checkOpened(replica, secret, blobs, found);
  return sum;
}

/** Opens events and snapshots, for reading. */
export function openingSource(replica: Replica, record: UserRecord, secret: { at: UserLog; root: Buffer }): NonNullable<CheckOptions<Op>['source']> {
  const ring = openRing(secret.root, record.id, record.ring);
  const codec = userCodec(secret.at.keys, replica.random);
  codec.ring = ring;
  return { open: codec.open!, box: { seal: () => NOTHING, open: (name, sealed) => unpack(openNamed(ring.sessions, name, NOTHING, sealed)) } };
}

/** What a user with a code can open without us. */
async function checkKeys(store: ObjectStore, root: string, record: UserRecord, found: (object: string, problem: string) => void): Promise<void> {
  for (const wrap of record.wraps.values()) {
    if (wrap.kind === 'password') continue;
    const name = keyName(root, wrap.id);
    const object = await store.get(name);
    if (!object) found(name, 'a wrapped key is missing');
    else if (isNewerKeyObject(object.bytes)) found(name, 'a wrapped key was written by a newer version');
    else if (!object.bytes.equals(keyObject(wrap, record.ring))) found(name, 'a wrapped key is not what the directory says');
  }
}

async function checkForm(store: ObjectStore, name: string, found: (object: string, problem: string) => void): Promise<void> {
  try {
    const object = await store.get(name);
    if (object) checkBlobForm(object.bytes);
  } catch (e) {
    if (!(e instanceof Corrupt)) throw e;
    found(name, e.message);
  }
}

async function checkOpened(replica: Replica, secret: { at: UserLog; root: Buffer }, blobs: ReadonlySet<string>, found: (object: string | null, problem: string) => void): Promise<void> {
  let user: OpenUser;
  try {
    user = await OpenUser.open(replica, secret.at, secret.root);
  } catch (e) {
    // What is damaged has been told object by object.
    if (!(e instanceof Corrupt)) throw e;
    return found(null, `the mailboxes can not be opened: ${e.message}`);
  }
  await checkBlobs(user, blobs, found);
}

async function checkBlobs(user: OpenUser, blobs: ReadonlySet<string>, found: (object: string | null, problem: string) => void): Promise<void> {
  const { store, root } = user.at;
  try {
    await user.fresh();
    await user.need({ kind: 'everything' });
    const opened = new Set<string>();
    for (const { id } of user.state.mailboxes()) {
      const index = user.state.mailbox(id);
      const uids = index.uids.slice(0, index.count);
      for (let at = 0; at < uids.length; at += UIDS_AT_ONCE) {
        await user.need({ kind: 'contents', mailbox: id, uids: uids.slice(at, at + UIDS_AT_ONCE) });
        for (const uid of uids.slice(at, at + UIDS_AT_ONCE)) {
          const content = user.state.content(id, uid);
          if (!content || opened.has(content.blob)) continue;
          opened.add(content.blob);
          const name = blobName(root, content.blob);
          try {
            const object = blobs.has(content.blob) ? await store.get(name) : null;
            if (!object) found(name, 'the blob of a message is missing');
            else if (openBlob(content.contentKey, object.bytes).length !== content.plainBytes) found(name, 'a blob of another size than its event says');
          } catch (e) {
            if (!(e instanceof Corrupt)) throw e;
            found(name, reason(e));
          }
        }
      }
    }
  } catch (e) {
    if (!(e instanceof Corrupt)) throw e;
    found(null, reason(e));
  } finally {
    await user.close();
  }
}
