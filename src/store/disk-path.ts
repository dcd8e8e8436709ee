// Where an object's file lies below `objects/`. A name's segments are folders; folders that grow without end are
// fanned out into folders that begin with `%` (no name holds that), so that no folder has millions of entries and a
// LIST with start-after reads only the last few:
//
//   …/log/<16 hex>-<writer>-<seq>   →  …/log/%<8 hex>/%<2 hex>/%<2 hex>/<leaf>
//       the last folder spans 65,536 positions: about 1,000 events, as a position is taken of every 64
//   …/blobs|parts|words/<id>        →  …/blobs/%<1st character>/<leaf>
//       32 folders: the first mails of a user shouldn't each make (and fsync) a folder of their own
//
// All below a fan folder begins with its letters, so the order of LIST stays bytewise.

export const FAN = '%';
const LOG = 'log';
const BY_ID = new Set(['blobs', 'parts', 'words']);
const POSITION = /^[0-9a-f]{16}/;

/** The folder and the leaf of a checked name, relative to `objects/`, without a slash at the ends. */
export function placeOf(name: string): { folder: string; leaf: string } {
  const slash = name.lastIndexOf('/');
  const folder = slash < 0 ? '' : name.slice(0, slash);
  const leaf = name.slice(slash + 1);
  const fan = fanOf(folder.slice(folder.lastIndexOf('/') + 1), leaf);
  if (fan === '') return { folder, leaf };
  return { folder: folder === '' ? fan : `${folder}/${fan}`, leaf };
}

function fanOf(parent: string, leaf: string): string {
  if (parent === LOG && POSITION.test(leaf)) return `%${leaf.slice(0, 8)}/%${leaf.slice(8, 10)}/%${leaf.slice(10, 12)}`;
  if (BY_ID.has(parent)) return FAN + leaf[0];
  return '';
}

/** Levels of fan folders below a fan folder whose letters, all levels together, are `letters`: 0 means files. */
export function fanLevelsBelow(letters: string): number {
  return letters.length === 8 ? 2 : letters.length === 10 ? 1 : 0;
}

/** Whether the files of a fan folder are written once: then their sizes and times may be remembered. */
export const writtenOnce = (letters: string): boolean => letters.length === 12;
