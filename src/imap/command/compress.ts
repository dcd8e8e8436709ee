import { Malformed } from '../../base/index.ts';
import { command } from './command.ts';

/** RFC 4978. Compressed is what follows the tagged OK, both ways; NO is for compression by another layer (§3). */
export const compress = command<null>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    if (args.keyword() !== 'DEFLATE') throw new Malformed('DEFLATE expected');
    return null;
  },
  async run(context) {
    if (context.transport.compressed) throw new Malformed('compression is on already', 'COMPRESSIONACTIVE');
    context.after(() => context.transport.compress());
    return '';
  },
});
