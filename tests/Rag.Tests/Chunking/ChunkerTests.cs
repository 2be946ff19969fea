using System.Globalization;
using System.Text;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Readers;

namespace Kotonoha.Rag.Tests.Chunking;

public class ChunkerTests
{
    private static readonly ChunkingOptions Small = new() { MaxSize = 40, TargetSize = 20 };

    [Fact]
    public async Task Split_gives_literal_ranges_that_cover_every_block_within_the_size()
    {
        var random = new Random(11);
        for (int round = 0; round < 200; round++)
        {
            var document = await DocumentReaders.Default.ReadAsync(Encoding.UTF8.GetBytes(RandomMarkdown(random)), "random.md");
            foreach (int overlap in (int[])[0, 1, 3])
            {
                var chunks = new Chunker(Small with { OverlapSentences = overlap }).Split(document, "random.md", "hash");
                int covered = 0;
                foreach (var chunk in chunks)
                {
                    Assert.Equal(document.Text[chunk.Start..chunk.End], chunk.Text);
                    Assert.True(Chunker.Measure(chunk.Text) <= Small.MaxSize, chunk.Text);
                    Assert.True(chunk.Start >= covered
                        ? string.IsNullOrWhiteSpace(document.Text[covered..chunk.Start])
                        : overlap > 0 && chunk.End > covered);
                    Assert.False(char.IsLowSurrogate(chunk.Text[0]) || char.IsHighSurrogate(chunk.Text[^1]), chunk.Text);
                    covered = chunk.End;
                }

                Assert.True(string.IsNullOrWhiteSpace(document.Text[covered..]));
                Assert.Equal(Enumerable.Range(0, chunks.Count), chunks.Select(c => c.Ordinal));
                Assert.Equal(chunks.Count, chunks.Select(c => c.Id).Distinct().Count());
            }
        }
    }

    [Fact]
    public async Task Split_keeps_to_what_the_embedder_reads()
    {
        // A token a character, as with a vocabulary that does not know the script.
        var limit = new TokenLimit(48, text => text.Length + 2);
        var random = new Random(13);
        for (int round = 0; round < 100; round++)
        {
            var document = await DocumentReaders.Default.ReadAsync(Encoding.UTF8.GetBytes(RandomMarkdown(random)), "random.md");
            var chunks = new Chunker(Small, limit).Split(document, "random.md", "hash");
            int covered = 0;
            foreach (var chunk in chunks)
            {
                Assert.InRange(limit.CountTokens(IndexText.ForEmbedder(chunk, limit)), 1, limit.MaxTokens);
                Assert.True(chunk.Start >= covered ? string.IsNullOrWhiteSpace(document.Text[covered..chunk.Start]) : chunk.End > covered);
                Assert.Equal(document.Text[chunk.Start..chunk.End], chunk.Text);
                covered = chunk.End;
            }

            Assert.True(string.IsNullOrWhiteSpace(document.Text[covered..]));
        }
    }

    [Fact]
    public async Task A_heading_that_would_take_the_embedders_room_is_left_out_for_it()
    {
        var limit = new TokenLimit(40, text => text.Length + 2);
        var document =
            await DocumentReaders.Default.ReadAsync("# A heading that is far longer than what there is room for\n\nShort text."u8.ToArray(),
                "a.md");
        var chunks = new Chunker(Small, limit).Split(document, "a.md", "h");
        Assert.EndsWith("Short text.", chunks[^1].Text);
        Assert.Equal(chunks[^1].Text, IndexText.ForEmbedder(chunks[^1], limit));
        Assert.Contains("far longer", IndexText.Of(chunks[^1]));
    }

    [Fact]
    public async Task Split_never_cuts_a_grapheme_cluster()
    {
        const string Family = "👨‍👩‍👧‍👦";
        var text = string.Concat(Enumerable.Repeat(Family + "が\u3099𠮷", 60));
        var document = await DocumentReaders.Default.ReadAsync(Encoding.UTF8.GetBytes(text), "a.txt");
        var edges = StringInfo.ParseCombiningCharacters(document.Text).ToHashSet();
        var chunks = new Chunker(Small).Split(document, "a.txt", "h");
        Assert.True(chunks.Count > 3);
        Assert.All(chunks.Skip(1), chunk => Assert.Contains(chunk.Start, edges));
    }

    [Fact]
    public async Task Split_bounds_even_a_single_endless_grapheme_cluster()
    {
        var document = await DocumentReaders.Default.ReadAsync(Encoding.UTF8.GetBytes("a" + new string('\u0301', 5000)), "zalgo.txt");
        Assert.All(new Chunker(Small).Split(document, "zalgo.txt", "h"),
            chunk => Assert.True(Chunker.Measure(chunk.Text) <= Small.MaxSize));
    }

    [Fact]
    public async Task Rows_of_a_split_table_know_their_header()
    {
        var table = "| Name | Size |\n|---|---|\n" + string.Concat(Enumerable.Range(0, 40).Select(i => $"| model-{i} | {i * 10} MB |\n"));
        var document = await DocumentReaders.Default.ReadAsync(Encoding.UTF8.GetBytes("# Models\n\n" + table), "t.md");
        var chunks = new Chunker(Small).Split(document, "t.md", "h");
        Assert.True(chunks.Count > 5);
        Assert.Contains("Name | Size", chunks[1].TableHeader ?? chunks[1].Text);
        Assert.All(chunks.Skip(2), chunk => Assert.Equal("Name | Size", chunk.TableHeader));
        Assert.All(chunks, chunk => Assert.Equal("Models", chunk.Heading));
        Assert.All(chunks.Skip(2).SelectMany(c => c.Text.Split('\n')), row => Assert.Matches(@"^model-\d+ \| \d+ MB$", row));
    }

    [Fact]
    public async Task Chunks_stay_within_their_section_and_take_their_headings_along()
    {
        var document = await DocumentReaders.Default.ReadAsync(
            "# Guide\n\n## Install\n\nRun it.\n\nThen wait.\n\n## Use\n\nType."u8.ToArray(), "g.md");
        var chunks = new Chunker().Split(document, "g.md", "h");
        Assert.Equal(["Guide\n\nInstall\n\nRun it.\n\nThen wait.", "Use\n\nType."], chunks.Select(c => c.Text));
        Assert.Equal(["Guide › Install", "Guide › Use"], chunks.Select(c => c.Heading));
    }

    [Fact]
    public async Task Chunk_ids_depend_on_source_hash_and_ordinal_alone()
    {
        var document = await DocumentReaders.Default.ReadAsync("one\n\ntwo"u8.ToArray(), "a.txt");
        string Id(string source, string hash) => new Chunker().Split(document, source, hash)[0].Id;
        Assert.Equal(Id("a.txt", "1"), Id("a.txt", "1"));
        Assert.NotEqual(Id("a.txt", "1"), Id("b.txt", "1"));
        Assert.NotEqual(Id("a.txt", "1"), Id("a.txt", "2"));
    }

    [Fact]
    public async Task Tables_of_one_section_keep_their_own_headers()
    {
        static string Table(string header, string row)
            => $"| {header} | value |\n|---|---|\n" + string.Concat(Enumerable.Range(1, 30).Select(i => $"| {row} {i} | {i} |\n"));
        var document = await DocumentReaders.Default.ReadAsync(
            Encoding.UTF8.GetBytes($"# A\n\n{Table("boat", "hull")}\n{Table("crane", "jib")}\nText.\n\n{Table("gate", "bar")}"), "a.md");
        foreach (var options in (ChunkingOptions[])[Small, new(), new() { MaxSize = 90, TargetSize = 80 }])
        {
            var rows = new Chunker(options).Split(document, "a.md", "hash")
                .SelectMany(chunk => new Passage(new SearchHit(chunk, 1, null, null), 0).Sentences)
                .Where(sentence => sentence.IsRow).ToList();
            Assert.Equal(90, rows.Count);
            Assert.All(rows, row => Assert.Equal(
                row.Normalized[0] switch { 'h' => "boat | value", 'j' => "crane | value", _ => "gate | value" }, row.Header));
        }
    }

    [Fact]
    public void Name_based_uuids_agree_with_the_published_example()
        // RFC 9562, appendix A.4: the DNS namespace and "www.example.com".
        => Assert.Equal(
            new Guid("2ed6657d-e927-568b-95e1-2665a8aea6a2"),
            NameBasedUuid.Create(new Guid("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "www.example.com"));

    private static string RandomMarkdown(Random random)
    {
        string[] parts =
        [
            "# 見出し", "## Second 章", "段落です。「中で。切らない。」と言う。終わり！", "A paragraph. With *emphasis*, `code` and [a link](x).",
            "- item one\n- item two\n  - nested 𠮷 item", "| a | b |\n|---|---|\n| 1 | 二 |\n| 3 | 四 |",
            "```\ncode line one\n\n  code line two\n```",
            "> quote", "1. first\n2. second", string.Concat(Enumerable.Repeat("長い文が続く、", 20)),
            string.Concat(Enumerable.Repeat("word ", 70)),
            string.Concat(Enumerable.Repeat("A sentence here. ", 30)), string.Concat(Enumerable.Repeat("𠮷👨‍👩‍👧‍👦", 30)),
            "<!-- gone -->", "<div hidden>gone</div>",
        ];
        return string.Join("\n\n", Enumerable.Range(0, random.Next(1, 12)).Select(_ => parts[random.Next(parts.Length)]));
    }
}
