using System.Text;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Chunking;
using Kotonoha.Readers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Tests.Chunking;

/// <summary>Chunks by tokens, by sentences, by definitions of code, and by subject.</summary>
public class ChunkingWaysTests
{
    private const string CSharp = """
        using System;

        namespace Shop;

        /// <summary>A basket.</summary>
        public sealed class Basket
        {
            private readonly List<Item> _items = [];

            /// <summary>Adds an item.</summary>
            [Obsolete("too slow")]
            public void Add(Item item)
            {
                Check(item);

                _items.Add(item);
            }

            /// <summary>The sum of all prices.</summary>
            public decimal Total()
            {
                decimal sum = 0;
                foreach (var item in _items)
                    sum += item.Price;

                return sum;
            }
        }
        """;

    private const string Python = """
        import os


        @cache
        def read(path):
            # Reads a file.
            with open(path) as file:
                return file.read()


        class Store:
            def put(self, key, value):
                self.data[key] = value

            def get(self, key):
                return self.data[key]
        """;

    [Fact]
    public async Task Code_is_cut_before_definitions_with_their_comments_and_attributes()
    {
        var chunks = await Split("basket.cs", CSharp, new ChunkingOptions { MaxSize = 60, TargetSize = 20 });
        Assert.Contains(chunks, chunk => chunk.Text.StartsWith("    /// <summary>Adds an item.</summary>\n    [Obsolete",
            StringComparison.Ordinal)
            && chunk.Text.TrimEnd().EndsWith('}') && chunk.Text.Contains("_items.Add(item);", StringComparison.Ordinal));
        Assert.Contains(chunks, chunk => chunk.Text.StartsWith("    /// <summary>The sum", StringComparison.Ordinal)
            && chunk.Text.Contains("return sum;", StringComparison.Ordinal));

        chunks = await Split("store.py", Python, new ChunkingOptions { MaxSize = 40, TargetSize = 0 });
        Assert.Contains(chunks, chunk => chunk.Text.StartsWith("@cache\ndef read", StringComparison.Ordinal)
            && chunk.Text.EndsWith("return file.read()", StringComparison.Ordinal));
        Assert.Contains(chunks, chunk => chunk.Text.StartsWith("class Store:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_way_of_cutting_reproduces_the_text()
    {
        var counter = new TokenCounter("words", text => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length);
        ChunkingOptions[] ways =
        [
            new() { MaxSize = 16, TargetSize = 8 },
            new() { MaxSize = 16, TargetSize = 8, Counter = counter },
            new() { MaxSize = 30, Unit = ChunkUnit.Sentence, TargetSize = 0 },
        ];
        foreach (var (name, text) in new[] { ("a.cs", CSharp), ("a.py", Python), ("a.md", "# T\n\nOne. Two is longer.\n\n- x\n- y\n\n"
            + "| a | b |\n| - | - |\n| 1 | 2 |\n") })
        {
            var document = await DocumentReaders.Default.ReadAsync(Encoding.UTF8.GetBytes(text), name);
            foreach (var way in ways)
            {
                int covered = 0;
                foreach (var chunk in new Chunker(way).Split(document, name, "h"))
                {
                    Assert.Equal(document.Text[chunk.Start..chunk.End], chunk.Text);
                    Assert.True(chunk.Start < covered || string.IsNullOrWhiteSpace(document.Text[covered..chunk.Start]));
                    Assert.True((way.Counter?.Count(chunk.Text) ?? Chunker.Measure(chunk.Text)) <= way.MaxSize, chunk.Text);
                    covered = chunk.End;
                }

                Assert.True(string.IsNullOrWhiteSpace(document.Text[covered..]));
            }
        }
    }

    [Fact]
    public async Task A_counter_decides_how_much_a_chunk_holds_and_its_name_is_part_of_the_version()
    {
        var text = string.Join(' ', Enumerable.Range(0, 40).Select(i => $"Sentence number {i} stands here."));
        var byLetters = new ChunkingOptions
        {
            MaxSize = 40,
            TargetSize = 40,
            OverlapSentences = 0,
            Counter = new TokenCounter("letters", t => t.Length)
        };
        var chunks = await Split("a.md", text, byLetters);
        Assert.All(chunks, chunk => Assert.InRange(chunk.Text.Length, 1, 40));
        Assert.Equal(40, chunks.Count);
        string Version(ChunkingOptions options) => IndexText.Version("a.md", "hash", options, null);
        Assert.NotEqual(Version(byLetters), Version(byLetters with { Counter = null }));
        Assert.NotEqual(Version(byLetters), Version(byLetters with { Counter = new TokenCounter("others", t => t.Length) }));
        Assert.Equal(Version(byLetters), Version(byLetters with { Counter = new TokenCounter("letters", t => t.Length) }));
    }

    [Fact]
    public async Task By_sentence_a_row_or_an_item_is_a_chunk_under_its_heading()
    {
        var chunks = await Split("a.md", "# Prices\n\nA day costs 5 euros. A week costs 20.\n\n- small\n- large\n\n| a | b |\n| - | - "
            + "|\n| 1 | 2 |\n| 3 | 4 |\n",
            new ChunkingOptions { Unit = ChunkUnit.Sentence });
        Assert.Contains(chunks, chunk => chunk.Text.EndsWith("A day costs 5 euros.", StringComparison.Ordinal));
        Assert.Contains(chunks, chunk => chunk.Text == "A week costs 20." && chunk.Heading == "Prices");
        Assert.Contains(chunks, chunk => chunk.Text.Contains('3') && !chunk.Text.Contains('1') && chunk.TableHeader!.Contains('a'));
    }

    [Fact]
    public async Task Subjects_are_cut_where_neighbouring_sentences_are_furthest_apart()
    {
        var text = "The cat sleeps. The cat eats fish. The cat sees a bird. A cat drinks milk. "
            + "Interest rates rose. The bank raised rates. Loans cost more interest. The bank lends less.";
        var document = await DocumentReaders.Default.ReadAsync(Encoding.UTF8.GetBytes(text), "a.txt");
        using var embedder = new CatsAndBanks();
        var breaks = await SemanticBreaks.FindAsync(document, 0.8, embedder, default);
        int bank = text.IndexOf("Interest rates rose", StringComparison.Ordinal);
        Assert.Contains(bank, breaks);
        var chunks = new Chunker(new ChunkingOptions()).Split(document, "a.txt", "h", breaks);
        Assert.Contains(chunks, chunk => chunk.Start == bank);
        Assert.Single(new Chunker(new ChunkingOptions()).Split(document, "a.txt", "h"));
        Assert.Empty(await SemanticBreaks.FindAsync(
            await DocumentReaders.Default.ReadAsync("One. Two. Three."u8.ToArray(), "b.txt"), 0.8, embedder, default));
    }

    private static async Task<IReadOnlyList<Chunk>> Split(string name, string text, ChunkingOptions options)
        => new Chunker(options).Split(
            await DocumentReaders.Default.ReadAsync(Encoding.UTF8.GetBytes(text.ReplaceLineEndings("\n")), name), name, "h");

    /// <summary>Two dimensions: how many words speak of cats, how many of banks.</summary>
    private sealed class CatsAndBanks : IEmbeddingGenerator<string, Embedding<float>>
    {
        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
            IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
            => Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(value =>
                new Embedding<float>(new[] { 0.1f + Count(value, "cat"), 0.1f + Count(value, "bank", "interest", "rates", "loans") }))));

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }

        private static int Count(string text, params string[] words)
            => TextAnalyzer.Analyze(text).Count(token => words.Contains(token.Term, StringComparer.Ordinal));
    }
}
