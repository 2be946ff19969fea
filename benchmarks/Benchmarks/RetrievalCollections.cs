using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Evaluation;

namespace Kotonoha.Benchmarks;

/// <summary>A collection that retrieval is measured on: chunks, each a document of its own, and queries with judgements.</summary>
internal sealed record RetrievalCollection(string Name, IReadOnlyList<Chunk> Chunks, IReadOnlyList<RetrievalCollection.Query> Queries)
{
    /// <summary>A query, and by document how relevant it is.</summary>
    public sealed record Query(string Text, IReadOnlyDictionary<string, int> Judgements)
    {
        /// <summary>Whether it belongs to the half that may be looked at while something is chosen; its words decide.</summary>
        public bool IsForTuning => SHA256.HashData(Encoding.UTF8.GetBytes(Text))[0] % 2 == 0;
    }

    /// <summary>The same collection with the queries of one half.</summary>
    public RetrievalCollection Half(bool tuning)
        => this with
        {
            Name = $"{Name}, {(tuning ? "tuning" : "measured")} half",
            Queries = [.. Queries.Where(query => query.IsForTuning == tuning)],
        };

    /// <summary>Abstracts about aerodynamics and engineers' questions, judged by hand.</summary>
    public static async Task<RetrievalCollection> CranfieldAsync(string folder)
    {
        var read = await BeirCollection.LoadAsync(folder);
        return new RetrievalCollection(
            "Cranfield", [.. read.ToChunks()], [.. read.Queries.Select(query => new Query(query.Text, query.Judgements))]);
    }

    /// <summary>Japanese paragraphs and the questions that were written on them.</summary>
    public static RetrievalCollection Jsquad(string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(path));
        var builder = new Builder();
        foreach (var article in json.RootElement.GetProperty("data").EnumerateArray())
            foreach (var paragraph in article.GetProperty("paragraphs").EnumerateArray())
            {
                var context = builder.Document(paragraph.GetProperty("context").GetString()!);
                foreach (var question in paragraph.GetProperty("qas").EnumerateArray())
                    builder.Queries.Add(
                        new Query(question.GetProperty("question").GetString()!, new Dictionary<string, int> { [context] = 1 }));
            }

        return builder.Build("JSQuAD valid");
    }

    /// <summary>
    /// WikiText-2 (valid and test): each section of at least three sentences; its first sentence is the query, the rest of it the document.
    /// Headings are left out, and so is the mark of a missing word.
    /// </summary>
    public static RetrievalCollection WikiText(string folder)
    {
        const int LeastSentences = 3;
        var builder = new Builder();
        var section = new StringBuilder();
        foreach (var line in (string[])[
            .. File.ReadLines(Path.Combine(folder, "valid.txt")), .. File.ReadLines(Path.Combine(folder, "test.txt")), " = end = "])
        {
            var text = line.Trim();
            if (!text.StartsWith("= ", StringComparison.Ordinal))
            {
                section.Append(Detokenized(text)).Append(' ');
                continue;
            }

            var whole = section.ToString().Trim();
            section.Clear();
            var sentences = SentenceSplitter.Split(whole);
            if (sentences.Count >= LeastSentences)
                builder.Add(whole[sentences[0].Start..sentences[0].End], whole[sentences[1].Start..]);
        }

        return builder.Build("WikiText-2, first sentence → rest of the section");
    }

    /// <summary>
    /// GSM8K: a word problem is the query, its worked steps the document, without marks of the calculator and the last line.
    /// </summary>
    public static RetrievalCollection Gsm8k(string path)
    {
        const int Problems = 2000;
        var builder = new Builder();
        foreach (var line in File.ReadLines(path).Take(Problems))
        {
            using var json = JsonDocument.Parse(line);
            var steps = json.RootElement.GetProperty("answer").GetString()!.Split("\n####")[0];
            builder.Add(
                json.RootElement.GetProperty("question").GetString()!,
                System.Text.RegularExpressions.Regex.Replace(steps, "<<[^>]*>>", ""));
        }

        return builder.Build("GSM8K, problem → steps");
    }

    /// <summary>
    /// JSTS: the second sentences are the documents; a first sentence is a query where people gave it and a second one 4 or more of 5, and
    /// it is none of the documents itself.
    /// </summary>
    public static RetrievalCollection Jsts(string path)
    {
        const double Alike = 4;
        var builder = new Builder();
        var pairs = new List<(string First, string Second, double Label)>();
        foreach (var line in File.ReadLines(path))
        {
            using var json = JsonDocument.Parse(line);
            pairs.Add((json.RootElement.GetProperty("sentence1").GetString()!, json.RootElement.GetProperty("sentence2").GetString()!,
                json.RootElement.GetProperty("label").GetDouble()));
        }

        foreach (var pair in pairs)
            builder.Document(pair.Second);
        foreach (var group in pairs.Where(pair => pair.Label >= Alike).GroupBy(pair => pair.First, StringComparer.Ordinal))
            if (!builder.Has(group.Key))
                builder.Queries.Add(new Query(
                    group.Key, group.Select(pair => builder.Document(pair.Second)).Distinct().ToDictionary(id => id, _ => 1)));
        return builder.Build("JSTS valid, sentence → sentence of the same meaning");
    }

    private static string Detokenized(string text)
    {
        var joined = text.Replace(" @-@ ", "-", StringComparison.Ordinal).Replace(" @,@ ", ",", StringComparison.Ordinal)
            .Replace(" @.@ ", ".", StringComparison.Ordinal).Replace("<unk>", "", StringComparison.Ordinal);
        foreach (var mark in (string[])[".", ",", ";", ":", "?", "!", ")", "'s"])
            joined = joined.Replace(" " + mark, mark, StringComparison.Ordinal);
        return joined.Replace("( ", "(", StringComparison.Ordinal);
    }

    private sealed class Builder
    {
        private readonly Dictionary<string, string> _ids = new(StringComparer.Ordinal);
        private readonly List<Chunk> _chunks = [];

        public List<Query> Queries { get; } = [];

        public bool Has(string text) => _ids.ContainsKey(text);

        /// <summary>The id of a document; equal texts are one.</summary>
        public string Document(string text)
        {
            if (_ids.TryGetValue(text, out var id))
                return id;
            _ids.Add(text, id = $"p{_ids.Count}");
            _chunks.Add(new Chunk(
                NameBasedUuid.Create(NameBasedUuid.ChunkNamespace, id).ToString(), id, 0, 0, text.Length, text, null, null, null));
            return id;
        }

        public void Add(string query, string document)
            => Queries.Add(new Query(query, new Dictionary<string, int> { [Document(document)] = 1 }));

        public RetrievalCollection Build(string name) => new(name, _chunks, Queries);
    }
}
