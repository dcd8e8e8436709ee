// What the command line asks, answered by this process.
import { Administration, UserLogs, checkUser, listRemoved, markRestored, openingSource, repairUser, totalsOf, undelete } from './account/index.ts';
import type { Replica, Users } from './account/index.ts';
import type { AddressSummary, Admin, CheckSummary, DomainSummary, Finding, NewUser, Proof, RemovedSummary, ReplicaSummary, RestoredSummary, SecretSummary, SpamScores, Undelete, UserDetails, UserSummary } from './cli/admin.ts';
import { reason } from './base/index.ts';
import type { UserRecord } from './directory/index.ts';
import type { MailAdmin } from './mail-admin.ts';
import { replicasOf } from './replicas.ts';
import { Rotation } from './rotation.ts';

/** Logs that `restored` writes at once. */
const LOGS_AT_ONCE = 8;

export class LocalAdmin implements Admin {
  readonly #a: Administration;
  readonly #replica: Replica;
  readonly #reader: Replica;
  readonly #users: Users;
  readonly #mail: MailAdmin;
  readonly #rotation: Rotation;
  readonly #close: () => Promise<void>;
  constructor(administration: Administration, mail: MailAdmin, replica: Replica, users: Users, close: () => Promise<void>) {
    this.#a = administration;
    this.#mail = mail;
    this.#users = users;
    this.#replica = replica;
    this.#reader = { ...replica, identity: { slot: null, mayWrite: () => false, spent: new Map() } };
    this.#rotation = new Rotation(replica, () => mail.queue());
    this.#close = close;
  }

  async domainAdd(domain: string): Promise<void> {
    await this.#a.domainAdd(domain);
    await this.#mail.domainKeys(domain);
  }
  domainDns(domain: string): ReturnType<Admin['domainDns']> {
    return this.#mail.domainDns(domain);
  }
  domainDkimRotate(domain: string): ReturnType<Admin['domainDkimRotate']> {
    return this.#mail.domainDkimRotate(domain);
  }
  domainCheck(domain: string): ReturnType<Admin['domainCheck']> {
    return this.#mail.domainCheck(domain);
  }
  queueList(): ReturnType<Admin['queueList']> {
    return this.#mail.queueList();
  }
  queueShow(id: string): ReturnType<Admin['queueShow']> {
    return this.#mail.queueShow(id);
  }
  queueRetry(id: string): Promise<number> {
    return this.#mail.queueRetry(id);
  }
  queueHold(id: string, on: boolean): Promise<void> {
    return this.#mail.queueHold(id, on);
  }
  queueDrop(id: string, silent: boolean): Promise<void> {
    return this.#mail.queueDrop(id, silent);
  }
  domains(): Promise<DomainSummary[]> {
    return this.#a.domains();
  }
  domainRemove(domain: string): Promise<void> {
    return this.#a.domainRemove(domain);
  }
  userAdd(address: string, password: string): Promise<NewUser> {
    return this.#a.userAdd(address, password);
  }
  async users(domain: string | null): Promise<UserSummary[]> {
    const rows = await this.#a.users(domain);
    return Promise.all(rows.map(async (row) => ({ ...row, ...(await totalsOf(this.#replica, await this.#a.record(row.address))) })));
  }
  async user(address: string): Promise<UserDetails> {
    const [details, record] = [await this.#a.user(address), await this.#a.record(address)];
    return { ...details, ...(await totalsOf(this.#replica, record)) };
  }
  userRemove(address: string): Promise<void> {
    return this.#a.userRemove(address);
  }
  quota(address: string, bytes: number | null, messages: number | null): Promise<void> {
    return this.#a.quota(address, bytes, messages);
  }
  spamScores(address: string, scores: SpamScores): Promise<void> {
    return this.#a.spamScores(address, scores);
  }
  password(address: string, proof: Proof, password: string): Promise<void> {
    return this.#a.password(address, proof, password);
  }
  appPassword(address: string, proof: Proof, name: string): Promise<{ id: string; password: string }> {
    return this.#a.appPassword(address, proof, name);
  }
  appPasswordRemove(address: string, id: string): Promise<void> {
    return this.#a.appPasswordRemove(address, id);
  }
  recover(address: string, recoveryCode: string, password: string): Promise<{ recoveryCode: string }> {
    return this.#a.recover(address, recoveryCode, password);
  }
  exportKey(address: string, proof: Proof): Promise<string> {
    return this.#a.exportKey(address, proof);
  }
  addressAdd(address: string, user: string): Promise<void> {
    return this.#a.addressAdd(address, user);
  }
  addressRemove(address: string): Promise<void> {
    return this.#a.addressRemove(address);
  }
  addresses(domain: string | null): Promise<AddressSummary[]> {
    return this.#a.addresses(domain);
  }

  async check(user: string | null, found: (finding: Finding) => void, proof?: Proof, repair = false): Promise<CheckSummary> {
    if (user === null && repair) for (const id of await this.#replica.directory.endBegun()) found({ user: id, object: null, problem: 'a user whose user add was broken off is removed', mended: true });
    const records = user === null ? await this.#whole() : [await this.#a.record(user)];
    const sum: CheckSummary = { users: records.length, objects: 0, bytes: 0, findings: 0 };
    for (const record of records) {
      if (repair) await this.#repair(record, found, proof);
      const tell = (object: string | null, problem: string) => {
        sum.findings++;
        found({ ...this.#named(record), object, problem });
      };
      // With a log of its own, by names that no session here uses, and without a slot: it can write nothing.
      const secret = proof && { at: new UserLogs(this.#reader, () => false).of(record), root: await this.#a.rootKey(record, proof) };
      const one = await checkUser(this.#reader, record, tell, secret);
      sum.objects += one.objects;
      sum.bytes += one.bytes;
    }
    return sum;
  }

  /** All users but those who are being made, or whose making was broken off. */
  async #whole(): Promise<UserRecord[]> {
    const records = await this.#a.records();
    const begun = new Set(this.#replica.directory.state.begun().map((c) => c.user));
    return records.filter(({ id }) => !begun.has(id));
  }

  #named({ id }: UserRecord): { user: string; address?: string } {
    return { user: id, address: this.#replica.directory.state.addressesOf(id)[0]?.address };
  }

  async #repair(record: UserRecord, found: (finding: Finding) => void, proof?: Proof): Promise<void> {
    const root = proof && (await this.#a.rootKey(record, proof));
    await repairUser({
      replica: this.#replica,
      record,
      mended: (object, problem) => found({ ...this.#named(record), object, problem, mended: true }),
      secret: root && {
        source: openingSource(this.#reader, record, { at: new UserLogs(this.#reader, () => false).of(record), root }),
        borrow: (run) => this.#users.borrow(record, root, run),
      },
    });
  }

  replicas(): Promise<ReplicaSummary[]> {
    return replicasOf(this.#replica);
  }

  async removed(user: string, proof: Proof): Promise<RemovedSummary> {
    const record = await this.#a.record(user);
    return this.#users.borrow(record, await this.#a.rootKey(record, proof), listRemoved);
  }
  async undelete(user: string, proof: Proof, what: Undelete): Promise<number> {
    const record = await this.#a.record(user);
    return this.#users.borrow(record, await this.#a.rootKey(record, proof), (open) => undelete(open, what));
  }

  async restored(): Promise<RestoredSummary> {
    const { clock, directory } = this.#replica;
    // The directory first: it says whose logs there are.
    await directory.restored();
    const records = await this.#a.records();
    const sum: RestoredSummary = { users: 0, failed: [], held: await this.#mail.queueHoldAll() };
    for (let at = 0; at < records.length; at += LOGS_AT_ONCE) {
      await Promise.all(records.slice(at, at + LOGS_AT_ONCE).map(async (record) => {
        try {
          await markRestored(this.#users.logs.of(record), clock);
          sum.users++;
        } catch (e) {
          sum.failed.push({ ...this.#named(record), problem: reason(e) });
        }
      }));
    }
    return sum;
  }

  async secretStatus(): Promise<SecretSummary> {
    return this.#rotation.status(await this.#a.records());
  }
  async secretRenew(): Promise<SecretSummary> {
    return this.#rotation.renew(await this.#a.records());
  }

  close(): Promise<void> {
    return this.#close();
  }
}
