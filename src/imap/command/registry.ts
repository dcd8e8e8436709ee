// Every command by its name; those that UID may stand before also as `UID NAME`.
import { append, replace } from './append.ts';
import { authenticate } from './authenticate.ts';
import { cancelupdate } from './cancelupdate.ts';
import { capability } from './capability.ts';
import { close, unselect } from './close.ts';
import type { Command } from './command.ts';
import { compress } from './compress.ts';
import { copy } from './copy.ts';
import { create } from './create.ts';
import { deleteMailbox } from './delete.ts';
import { enable } from './enable.ts';
import { esearch } from './esearch.ts';
import { expunge } from './expunge.ts';
import { fetch } from './fetch.ts';
import { id } from './id.ts';
import { idle } from './idle.ts';
import { list } from './list.ts';
import { login } from './login.ts';
import { logout } from './logout.ts';
import { lsub } from './lsub.ts';
import { getmetadata, setmetadata } from './metadata.ts';
import { move } from './move.ts';
import { namespace } from './namespace.ts';
import { check, noop } from './noop.ts';
import { notify } from './notify.ts';
import { getquota, getquotaroot, setquota } from './quota.ts';
import { rename } from './rename.ts';
import { search } from './search.ts';
import { examine, select } from './select.ts';
import { sort } from './sort.ts';
import { starttls } from './starttls.ts';
import { status } from './status.ts';
import { store } from './store.ts';
import { subscribe, unsubscribe } from './subscribe.ts';
import { thread } from './thread.ts';
import { unauthenticate } from './unauthenticate.ts';

// What `parse` gives goes to the same command's `run`, and nowhere else.
const table: Record<string, Command<any>> = {
  CAPABILITY: capability,
  NOOP: noop,
  NOTIFY: notify,
  LOGOUT: logout,
  ID: id,
  STARTTLS: starttls,
  LOGIN: login,
  AUTHENTICATE: authenticate,
  ENABLE: enable,
  NAMESPACE: namespace,
  SELECT: select,
  EXAMINE: examine,
  CREATE: create,
  DELETE: deleteMailbox,
  RENAME: rename,
  SUBSCRIBE: subscribe,
  UNSUBSCRIBE: unsubscribe,
  LIST: list,
  LSUB: lsub,
  STATUS: status,
  APPEND: append,
  REPLACE: replace,
  IDLE: idle,
  CHECK: check,
  CLOSE: close,
  UNSELECT: unselect,
  EXPUNGE: expunge,
  FETCH: fetch,
  SEARCH: search,
  SORT: sort,
  THREAD: thread,
  CANCELUPDATE: cancelupdate,
  COMPRESS: compress,
  ESEARCH: esearch,
  GETMETADATA: getmetadata,
  SETMETADATA: setmetadata,
  GETQUOTA: getquota,
  GETQUOTAROOT: getquotaroot,
  SETQUOTA: setquota,
  UNAUTHENTICATE: unauthenticate,
  STORE: store,
  COPY: copy,
  MOVE: move,
};

export const commands: ReadonlyMap<string, Command> = new Map(
  Object.entries(table).flatMap(([name, command]) => {
    const entry: [string, Command] = [name, command];
    return command.uid === true ? [entry, [`UID ${name}`, command] as [string, Command]] : [entry];
  }),
);
