using System.Text;

namespace Kotonoha.Readers.Tests;

/// <summary>Records of JSON, JSON lines and YAML: one object is one unit.</summary>
public class RecordTests
{
    private static async Task<ExtractedDocument> Read(string content, string name)
    {
        var document = await DocumentReaders.InProcess.ReadAsync(Encoding.UTF8.GetBytes(content), name);
        AssertCovered(document);
        return document;
    }

    /// <summary>The blocks are ranges of the text in order, and between them is white space alone.</summary>
    internal static void AssertCovered(ExtractedDocument document)
    {
        int at = 0;
        foreach (var block in document.Blocks)
        {
            Assert.True(string.IsNullOrWhiteSpace(document.Text[at..block.Start]));
            Assert.False(string.IsNullOrWhiteSpace(document.Text[block.Start..block.End]));
            at = block.End;
        }

        Assert.Equal(document.Text.Length, at);
    }

    private const string Tickets = """
        {"id": "T-101", "status": "open", "owner": {"name": "Ann Ode", "team": "Pier"}, "tags": ["crane", "night"]}
        {"id": "T-102", "status": "closed", "owner": {"name": "Bo Lind", "team": "Lock"}, "tags": []}
        """;

    private const string TicketTable =
        "id | status | owner.name | owner.team | tags\nT-101 | open | Ann Ode | Pier | crane, night\nT-102 | closed | Bo Lind | Lock | ";

    [Fact]
    public async Task Lines_and_arrays_of_objects_that_are_alike_are_rows()
    {
        Assert.Equal(TicketTable, (await Read(Tickets, "a.jsonl")).Text);
        Assert.Equal(TicketTable, (await Read("[" + Tickets.ReplaceLineEndings(",") + "]", "a.json")).Text);
        var wrapped = await Read(
            "{\"title\": \"Open work\", \"total\": 2, \"tickets\": [" + Tickets.ReplaceLineEndings(",") + "], \"page\": 1}", "a.json");
        Assert.Equal("title: Open work\ntotal: 2\npage: 1\n\ntickets\n\n" + TicketTable, wrapped.Text);
        Assert.Equal(("Open work", "tickets"), (wrapped.Title, wrapped.Blocks[^1].HeadingPath));
    }

    [Fact]
    public async Task An_array_of_values_stays_in_its_cell_and_records_in_a_record_are_rows_below_it()
    {
        Assert.Equal("shape | path\nrun | 1, 2; 3, 4\nbow | 5, 6",
            (await Read("""[{"shape": "run", "path": [[1, 2], [3, 4]]}, {"shape": "bow", "path": [[5, 6]]}]""", "a.json")).Text);
        var document = await Read("""
            [{"order": 7, "by": "Ann", "items": [{"sku": "A", "n": 2}, {"sku": "B", "n": 1}]},
             {"order": 8, "by": "Bo", "items": [{"sku": "A", "n": 5}]}]
            """, "a.json");
        Assert.Equal("order: 7\n\norder: 7\nby: Ann\n\nitems\n\nsku | n\nA | 2\nB | 1\n\n"
            + "order: 8\n\norder: 8\nby: Bo\n\nitems\n\nsku | n\nA | 5", document.Text);
        Assert.Equal(["order: 7 › items", "order: 8 › items"],
            document.Blocks.Where(block => block.Kind == BlockKind.Table).Select(block => block.HeadingPath));
    }

    [Fact]
    public async Task An_object_of_objects_that_are_alike_is_a_table_by_their_names()
    {
        const string Members = """{"T-101": {"status": "open", "owner": "Ann"}, "T-102": {"status": "closed", "owner": "Bo"}}""";
        Assert.Equal("key | status | owner\nT-101 | open | Ann\nT-102 | closed | Bo", (await Read(Members, "a.json")).Text);
        Assert.Equal("tickets\n\ntickets | status | owner\nT-101 | open | Ann\nT-102 | closed | Bo",
            (await Read($"{{\"tickets\": {Members}}}", "a.json")).Text);
        Assert.Equal("server.port: 80\nserver.host: a\nlog.level: info\nlog.file: x",
            (await Read("""{"server": {"port": 80, "host": "a"}, "log": {"level": "info", "file": "x"}}""", "a.json")).Text);
    }

    [Fact]
    public async Task Objects_that_are_not_alike_are_a_line_each()
    {
        var document = await Read("""
            {"type": "login", "user": "ann", "ip": "10.0.0.1"}
            {"type": "sale", "item": "tea", "price": 3, "till": 2}
            {"event": "close", "by": "bo"}
            "plain"
            """, "a.jsonl");
        Assert.Equal("type: login; user: ann; ip: 10.0.0.1\ntype: sale; item: tea; price: 3; till: 2\nevent: close; by: bo\nplain",
            document.Text);
        Assert.Equal(4, document.Blocks.Count(block => block.Kind == BlockKind.ListItem));
    }

    [Fact]
    public async Task Records_of_running_text_are_sections_below_what_names_them()
    {
        var text = string.Join(' ', Enumerable.Repeat("The harbour opens at six.", 20));
        var document = await Read($$"""
            [{"id": "a1", "title": "Harbour", "text": "{{text}}"},
             {"id": "a2", "title": "Pier", "text": "{{text}}", "links": [{"to": "a1", "kind": "see"}, {"to": "a3", "kind": "part"}]}]
            """, "a.json");
        Assert.Equal($"id: a1\n\nid: a1\ntitle: Harbour\n\ntext: {text}\n\nid: a2\n\nid: a2\ntitle: Pier\n\ntext: {text}\n\n"
            + "links\n\nto | kind\na1 | see\na3 | part", document.Text);
        Assert.Equal("id: a2 › links", document.Blocks[^1].HeadingPath);
        Assert.Null(document.Title);
    }

    [Fact]
    public async Task A_text_that_reads_null_is_no_missing_value()
    {
        Assert.Equal("id | remark\n1 | null\n2 | \n3 | null; x",
            (await Read("""[{"id": 1, "remark": "null"}, {"id": 2, "remark": null}, {"id": 3, "remark": "null", "remark": "x"}]""",
                "a.json")).Text);
        Assert.Equal("id | remark\n1 | null\n2 | \n3 | \n4 | \n5 | null",
            (await Read("- {id: 1, remark: 'null'}\n- {id: 2, remark: &none NULL}\n- {id: 3, remark: *none}\n- {id: 4, remark: ~}\n"
                + "- {id: 5, remark: !!str null}\n", "a.yaml")).Text);
        Assert.Equal("phase: null\n\nBody", (await Read("---\nphase: \"null\"\nowner: null\n---\nBody", "a.md")).Text);
    }

    [Fact]
    public async Task Many_lines_are_one_table_with_every_row()
    {
        var lines = new StringBuilder();
        for (int i = 0; i < 20_000; i++)
            lines.Append($"{{\"id\": {i}, \"owner\": \"Owner {i * 7 % 1000}\"}}\r\n");
        var document = await Read(lines.ToString(), "a.jsonl");
        var rows = document.Text.Split('\n');
        Assert.Equal((20_001, "id | owner", "19999 | Owner 993"), (rows.Length, rows[0], rows[^1]));
        Assert.Equal(BlockKind.Table, Assert.Single(document.Blocks).Kind);
    }

    [Theory]
    [InlineData("- id: T-1\n  owner: Ann\n- id: T-2\n  owner: Bo\n", "id | owner\nT-1 | Ann\nT-2 | Bo")]
    [InlineData("club: Rowing\nmembers:\n  - {name: Ann, since: 2019}\n  - {name: Bo, since: 2020}\n",
        "club: Rowing\n\nmembers\n\nname | since\nAnn | 2019\nBo | 2020")]
    [InlineData("jobs:\n  build: # twice\n    steps:\n      - run: a\n", "jobs:\n  build: # twice\n    steps:\n      - run: a")]
    [InlineData("a: 1 # one\n---\nb: 2", "a: 1 # one\n---\nb: 2")]
    [InlineData("a: [", "a: [")]
    public async Task Flat_records_of_yaml_are_rows_and_all_other_is_as_written(string yaml, string expected)
    {
        var document = await Read(yaml, "a.yaml");
        Assert.Equal(expected, document.Text);
        Assert.Equal("text/x-yaml", document.MediaType);
    }

    [Theory]
    [InlineData("[", 100_000)]
    [InlineData("- ", 100_000)]
    [InlineData("{a: ", 20_000)]
    [InlineData("? ", 20_000)]
    public async Task Endless_nesting_of_yaml_is_read_as_text(string mark, int times)
    {
        var yaml = string.Concat(Enumerable.Repeat(mark, times)) + "x";
        Assert.Equal(yaml, (await Read(yaml, "a.yml")).Text);
    }

    [Fact]
    public async Task Aliases_do_not_multiply()
    {
        var bomb = "a: &a [x, x]\n" + string.Concat(Enumerable.Range('b', 20).Select(c
            => $"{(char)c}: &{(char)c} [*{(char)(c - 1)}, *{(char)(c - 1)}]\n"));
        Assert.Equal(bomb.TrimEnd(), (await Read(bomb, "a.yaml")).Text);
        Assert.Equal("id | owner\n1 | Ann\n2 | Ann", (await Read("- {id: 1, owner: &who Ann}\n- {id: 2, owner: *who}\n", "a.yaml")).Text);
    }
}
