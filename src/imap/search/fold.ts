// How texts are compared: the same for what a message says and for what an index of it says, so message/ has it.
export { fold, foldLong, loosely } from '../../message/index.ts';
