using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>Answers from records, tables, forms and lists: what is cited is the unit that says it.</summary>
public sealed class DocumentKindTests
{
    private static readonly Dictionary<string, string> Documents = new()
    {
        ["tickets.json"] = """
            {"project": "Harbour", "tickets": [
              {"id": "T-101", "status": "open", "owner": "Ann Ode", "priority": "high"},
              {"id": "T-102", "status": "closed", "owner": "Bo Lind", "priority": "low"}]}
            """,
        ["staff.jsonl"] = """
            {"name": "Ida Holm", "office": {"room": "B12", "phone": "4471"}, "role": "harbour master"}
            {"name": "Jon Berg", "office": {"room": "C03", "phone": "4489"}, "role": "pilot"}
            """,
        ["events.jsonl"] = """
            {"type": "delivery", "ship": "Aurora", "cargo": "timber", "berth": 7}
            {"type": "inspection", "inspector": "Mara Quist", "vessel": "Borealis", "result": "passed"}
            {"event": "closure", "gate": "North gate", "reason": "ice", "until": "2026-03-04"}
            """,
        ["members.yaml"] = "- name: Olle Grip\n  boat: Windrose\n  since: 2011\n- name: Tuva Lie\n  boat: Petrel\n  since: 2018\n",
        ["climate.html"] = """
            <h1>Water temperatures</h1><table><thead><tr><th rowspan=2>City<th colspan=2>Spring<th colspan=2>Autumn<tr><th>Min<th>Max<th>Min
            <th>Max</thead><tr><th scope=row>Velmar<td>4<td>11<td>7<td>15<tr><th scope=row>Tarnby<td>3<td>9<td>6<td>13</table>
            """,
        ["form.html"] = """
            <h1>Berth application</h1><table><tr><td>Applicant</td><td>Noor Visser</td></tr><tr><td>Phone</td><td>5512</td></tr>
            <tr><td>Vessel</td><td>Sea Otter</td></tr><tr><td>Arrival date</td><td>12 May 2026</td></tr></table>
            """,
        ["fees.md"] = """
            ---
            owner: Petra Salt
            reviewed: 2026-02-11
            ---
            # Mooring fees

            The mooring fee is ~~20 euros~~ 25 euros per night.

            Quiet time
            :   22:00 to 06:00
            """,
    };

    [Theory]
    [InlineData("Who owns ticket T-102?", "id: T-102; status: closed; owner: Bo Lind; priority: low")]
    [InlineData("What is the priority of ticket T-101?", "id: T-101; status: open; owner: Ann Ode; priority: high")]
    [InlineData("What is Jon Berg's phone number?", "name: Jon Berg; office.room: C03; office.phone: 4489; role: pilot")]
    [InlineData("Who inspected the Borealis?", "type: inspection; inspector: Mara Quist; vessel: Borealis; result: passed")]
    [InlineData("Which boat does Tuva Lie have?", "name: Tuva Lie; boat: Petrel; since: 2018")]
    [InlineData("What is the maximum in autumn in Tarnby?", "City: Tarnby; Spring Min: 3; Spring Max: 9; Autumn Min: 6; Autumn Max: 13")]
    [InlineData("What is the phone number of the applicant?", "Phone: 5512")]
    [InlineData("When does the applicant arrive?", "Arrival date: 12 May 2026")]
    [InlineData("When were the mooring fees reviewed?", "reviewed: 2026-02-11")]
    [InlineData("How much is the mooring fee per night?", "The mooring fee is 25 euros per night.")]
    [InlineData("What is the quiet time?", "Quiet time: 22:00 to 06:00")]
    public async Task The_unit_that_says_it_is_cited_alone(string question, string expected)
        => Assert.Equal([expected], (await Documents.AskAsync(question)).Citations.Select(citation => citation.Text));

    private static Passage Read(string text)
        => new(new SearchHit(new Chunk("1", "a", 0, 0, text.Length, text, null, null, null), 1, null, null), 0);

    [Fact]
    public void Items_within_items_are_no_steps()
    {
        var passage = Read("1. Call\n  1.1. Use channel 12\n  1.2. Give your length\n2. Moor\n  a. Bow first\n3. Pay");
        Assert.Equal(["1. Call", "2. Moor", "3. Pay"], passage.Sentences.Where(item => item.IsStep).Select(item => item.Normalized));
        Assert.Equal("1.1. Use channel 12", passage.Sentences[1].Normalized);
        Assert.All(Read("  1. Call\n  2. Moor").Sentences, item => Assert.True(item.IsStep));
        Assert.All(Read("1. Call\n  2. Moor").Sentences, item => Assert.True(item.IsStep));
    }

    [Fact]
    public void Dotted_labels_are_labels()
        => Assert.Equal([true, true], Read("name: Pier\nsize.seats: 12").Sentences.Select(line => line.IsItem));

    [Fact]
    public void Rows_whose_first_or_last_cell_is_empty_keep_their_columns()
        => Assert.Equal(["Min: 3", "Place: Oslo"], Read("Place | Min\n | 3\nOslo | ").Sentences
            .Select(row => Read("Place | Min\n | 3\nOslo | ").Readable(row.Span)));
}
