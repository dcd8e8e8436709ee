// One round of go-imap's client. On standard input JSON: port, imaps, address, password. Says "idle" when it waits for mail, then
// one line of JSON: mailbox -> [[message as Latin-1, flags]], all that it has at the end.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

func check(err error, what string) {
	if err != nil {
		fmt.Fprintln(os.Stderr, what+":", err)
		os.Exit(1)
	}
}

func must(ok bool, what string, have ...any) {
	if !ok {
		fmt.Fprintln(os.Stderr, what, have)
		os.Exit(1)
	}
}

func main() {
	var given struct {
		Port              int
		Address, Password string
	}
	line, err := bufio.NewReader(os.Stdin).ReadBytes('\n')
	check(err, "input")
	check(json.Unmarshal(line, &given), "input")
	time.AfterFunc(25*time.Second, func() { must(false, "it takes too long") })

	exists := make(chan uint32, 10)
	options := &imapclient.Options{
		TLSConfig: &tls.Config{InsecureSkipVerify: true},
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				exists <- *data.NumMessages
			}
		}},
	}
	c, err := imapclient.DialStartTLS(fmt.Sprintf("127.0.0.1:%d", given.Port), options)
	check(err, "STARTTLS")
	check(c.Login(given.Address, given.Password).Wait(), "LOGIN")
	for _, name := range []imap.Cap{imap.CapIMAP4rev1, imap.CapIMAP4rev2, imap.CapCondStore, imap.CapQResync, imap.CapMetadata, imap.CapMultiAppend} {
		must(c.Caps().Has(name), "no capability", name)
	}
	_, err = c.Enable(imap.CapIMAP4rev2, imap.CapUTF8Accept).Wait()
	check(err, "ENABLE")
	id, err := c.ID(&imap.IDData{Name: "round"}).Wait()
	check(err, "ID")
	must(id.Name != "", "no name")
	_, err = c.Namespace().Wait()
	check(err, "NAMESPACE")

	folder := "Böse & Gut/鳩"
	check(c.Create(folder, nil).Wait(), "CREATE")
	check(c.Subscribe(folder).Wait(), "SUBSCRIBE")
	listed, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true, UIDNext: true, NumUnseen: true}, ReturnSpecialUse: true, ReturnSubscribed: true}).Collect()
	check(err, "LIST")
	at := slices.IndexFunc(listed, func(l *imap.ListData) bool { return l.Mailbox == folder })
	must(at >= 0 && listed[at].Status != nil && *listed[at].Status.NumMessages == 0, "LIST", at, listed[at], listed[at].Status)
	own := []byte("Subject: one\r\nMessage-ID: <go-own@elsewhere.example>\r\n\r\nown\r\n")
	add := c.Append(folder, int64(len(own)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Time: time.Unix(1600000000, 0)})
	_, err = add.Write(own)
	check(err, "APPEND")
	check(add.Close(), "APPEND")
	added, err := add.Wait()
	check(err, "APPEND")
	must(added.UID > 0, "no APPENDUID")

	opened, err := c.Select("INBOX", &imap.SelectOptions{CondStore: true}).Wait()
	check(err, "SELECT")
	must(opened.NumMessages == 8 && opened.UIDValidity > 0 && opened.HighestModSeq > 0, "SELECT", opened)
	search := func(criteria *imap.SearchCriteria) []imap.UID {
		data, err := c.UIDSearch(criteria, &imap.SearchOptions{ReturnAll: true, ReturnCount: true}).Wait()
		check(err, "UID SEARCH")
		must(int(data.Count) == len(data.AllUIDs()), "COUNT", data)
		return data.AllUIDs()
	}
	uids := search(&imap.SearchCriteria{})
	must(len(uids) == 8, "UIDs", uids)
	must(slices.Equal(search(&imap.SearchCriteria{Text: []string{"token all-3."}}), uids[3:4]), "TEXT")
	must(slices.Equal(search(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "grüße"}}}), uids[7:]), "SUBJECT")
	must(len(search(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}})) == 4, "UNSEEN")
	sorted, err := c.UIDSort(&imapclient.SortOptions{SearchCriteria: &imap.SearchCriteria{}, SortCriteria: []imapclient.SortCriterion{{Key: imapclient.SortKeySize, Reverse: true}}}).Wait()
	check(err, "SORT")
	must(len(sorted) == 8, "SORT", sorted)
	threads, err := c.UIDThread(&imapclient.ThreadOptions{Algorithm: imap.ThreadReferences, SearchCriteria: &imap.SearchCriteria{}}).Wait()
	check(err, "THREAD")
	must(len(threads) == 8, "THREAD", threads)
	all, err := c.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, Envelope: true, Flags: true, InternalDate: true, RFC822Size: true, ModSeq: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}}).Collect()
	check(err, "FETCH")
	must(len(all) == 8 && all[0].Envelope.Subject == "about all-0" && all[7].Envelope.Subject == "Grüße", "FETCH", all)
	multi, ok := all[7].BodyStructure.(*imap.BodyStructureMultiPart)
	must(ok && len(multi.Children) == 2, "BODYSTRUCTURE")
	whole := &imap.FetchItemBinarySection{Part: []int{2}, Peek: true}
	binary, err := c.Fetch(imap.UIDSetNum(uids[7]), &imap.FetchOptions{BinarySection: []*imap.FetchItemBinarySection{whole}}).Collect()
	check(err, "BINARY")
	must(len(binary) == 1 && len(binary[0].BinarySection) == 1 && len(binary[0].BinarySection[0].Bytes) == 3000, "BINARY", binary)
	store := func(uid imap.UID, op imap.StoreFlagsOp, flags ...imap.Flag) {
		_, err := c.Store(imap.UIDSetNum(uid), &imap.StoreFlags{Op: op, Flags: flags, Silent: true}, nil).Collect()
		check(err, "STORE")
	}
	store(uids[1], imap.StoreFlagsAdd, imap.FlagFlagged, "$Work")
	store(uids[3], imap.StoreFlagsAdd, imap.FlagFlagged)
	store(uids[0], imap.StoreFlagsDel, imap.FlagSeen)
	changed, err := c.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, Flags: true, ChangedSince: all[1].ModSeq}).Collect()
	check(err, "CHANGEDSINCE")
	must(slices.ContainsFunc(changed, func(m *imapclient.FetchMessageBuffer) bool { return m.UID == uids[1] }), "CHANGEDSINCE", changed)
	copied, err := c.Copy(imap.UIDSetNum(uids[2]), folder).Wait()
	check(err, "COPY")
	must(len(copied.DestUIDs) == 1, "COPYUID", copied)
	moved, err := c.Move(imap.UIDSetNum(uids[4]), "Archive").Wait()
	check(err, "MOVE")
	must(moved.DestUIDs != nil, "COPYUID of MOVE", moved)
	store(uids[5], imap.StoreFlagsAdd, imap.FlagDeleted)
	_, err = c.UIDExpunge(imap.UIDSetNum(uids[5])).Collect()
	check(err, "UID EXPUNGE")
	must(len(search(&imap.SearchCriteria{})) == 6, "after UID EXPUNGE")
	value := []byte("a note")
	check(c.SetMetadata(folder, map[string]*[]byte{"/private/comment": &value}).Wait(), "SETMETADATA")
	note, err := c.GetMetadata(folder, []string{"/private/comment"}, nil).Wait()
	check(err, "GETMETADATA")
	must(string(*note.Entries["/private/comment"]) == "a note", "GETMETADATA", note)

	idle, err := c.Idle()
	check(err, "IDLE")
	for len(exists) > 0 {
		<-exists
	}
	fmt.Println("idle")
	must(<-exists == 7, "EXISTS")
	check(idle.Close(), "IDLE")
	check(idle.Wait(), "IDLE")
	check(c.Rename(folder, "Neu", nil).Wait(), "RENAME")

	state := map[string][][2]any{}
	listed, err = c.List("", "*", nil).Collect()
	check(err, "LIST")
	for _, one := range listed {
		opened, err := c.Select(one.Mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
		check(err, "EXAMINE")
		if opened.NumMessages == 0 {
			continue
		}
		every := imap.SeqSet{}
		every.AddRange(1, 0)
		rows, err := c.Fetch(every, &imap.FetchOptions{Flags: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
		check(err, "FETCH BODY[]")
		for _, row := range rows {
			latin := make([]rune, 0)
			for _, b := range row.BodySection[0].Bytes {
				latin = append(latin, rune(b))
			}
			state[one.Mailbox] = append(state[one.Mailbox], [2]any{string(latin), row.Flags})
		}
	}
	check(c.Logout().Wait(), "LOGOUT")
	out, err := json.Marshal(state)
	check(err, "JSON")
	fmt.Println(string(out))
}
