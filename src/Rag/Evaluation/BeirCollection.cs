using System.Globalization;
using System.Text.Json;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Evaluation;

/// <summary>
/// A test collection in BEIR's layout: <c>corpus.jsonl</c> (<c>_id</c>, <c>title</c>, <c>text</c>), <c>queries.jsonl</c> (<c>_id</c>,
/// <c>text</c>) and judgements in <c>qrels/SPLIT.tsv</c> or <c>qrels.tsv</c> (a header line, then query, document, judgement).
/// </summary>
/// <param name="Documents">The documents, in their order.</param>
/// <param name="Queries">The queries that are judged, in their order.</param>
public sealed record BeirCollection(IReadOnlyList<BeirDocument> Documents, IReadOnlyList<RetrievalQuery> Queries)
{
    /// <summary>Reads a collection.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="split">Which file of judgements: <c>test</c>, <c>dev</c>, <c>train</c>, …</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="EvaluationDataException">A file is missing, or a line is not what the layout asks for.</exception>
    public static async Task<BeirCollection> LoadAsync(
        string folder, string split = "test", CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentException.ThrowIfNullOrEmpty(split);
        var documents = new List<BeirDocument>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        var corpus = Path.Combine(folder, "corpus.jsonl");
        await foreach (var (id, line, number) in ObjectsAsync(corpus, cancellationToken).ConfigureAwait(false))
        {
            if (!known.Add(id))
                throw new EvaluationDataException(corpus, number, $"document '{id}' was there before; each \"_id\" may stand once.");
            documents.Add(new BeirDocument(id, Text(line, "title", corpus, number, isOptional: true), Text(line, "text", corpus, number)));
        }

        var judgements = await JudgementsAsync(folder, split, known, corpus, cancellationToken).ConfigureAwait(false);
        var queries = new List<RetrievalQuery>();
        var path = Path.Combine(folder, "queries.jsonl");
        var asked = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var (id, line, number) in ObjectsAsync(path, cancellationToken).ConfigureAwait(false))
        {
            if (!asked.Add(id))
                throw new EvaluationDataException(path, number, $"query '{id}' was there before; each \"_id\" may stand once.");
            if (judgements.Remove(id, out var judged))
                queries.Add(new RetrievalQuery(id, Text(line, "text", path, number), judged.ByDocument));
        }

        foreach (var (query, judged) in judgements)
            throw new EvaluationDataException(judged.Path, judged.Line, $"query '{query}' is judged, but does not stand in {path}.");
        return new BeirCollection(documents, queries);
    }

    /// <summary>The documents as chunks, each whole, its title before its text; their sources are the documents' ids.</summary>
    public IEnumerable<Chunk> ToChunks()
    {
        foreach (var document in Documents)
        {
            var text = document.Title.Length == 0 ? document.Text : document.Title + " " + document.Text;
            yield return new Chunk(
                NameBasedUuid.Create(NameBasedUuid.ChunkNamespace, document.Id).ToString(), document.Id, 0, 0, text.Length, text, null,
                    null,
                null);
        }
    }

    private static async Task<Dictionary<string, Judged>> JudgementsAsync(
        string folder, string split, HashSet<string> known, string corpus, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, "qrels", split + ".tsv");
        if (!File.Exists(path) && Path.Combine(folder, "qrels.tsv") is var single && File.Exists(single))
            path = single;
        var judgements = new Dictionary<string, Judged>(StringComparer.Ordinal);
        await foreach (var (line, number) in DataLines.ReadAsync(path, cancellationToken).ConfigureAwait(false))
        {
            var parts = line.Split('\t');
            if (parts.Length != 3)
                throw new EvaluationDataException(path, number,
                    $"{parts.Length} columns; there must be three with tabs between them: query, document, judgement.");
            bool isNumber = int.TryParse(parts[2], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int judgement);
            if (number == 1)
            {
                if (isNumber)
                    throw new EvaluationDataException(path, 1, "the header line is missing. Begin with \"query-id\tcorpus-id\tscore\".");
                continue;
            }

            if (!isNumber)
                throw new EvaluationDataException(path, number, $"the judgement '{parts[2]}' is no whole number.");
            if (!known.Contains(parts[1]))
                throw new EvaluationDataException(path, number, $"document '{parts[1]}' does not stand in {corpus}.");
            if (!judgements.TryGetValue(parts[0], out var judged))
                judgements[parts[0]] = judged = new Judged(path, number, new Dictionary<string, int>(StringComparer.Ordinal));
            if (!judged.ByDocument.TryAdd(parts[1], judgement))
                throw new EvaluationDataException(path, number, $"document '{parts[1]}' has been judged for query '{parts[0]}' before.");
        }

        return judgements;
    }

    private static async IAsyncEnumerable<(string Id, JsonElement Line, int Number)> ObjectsAsync(
        string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var (line, number) in DataLines.ReadAsync(path, cancellationToken).ConfigureAwait(false))
        {
            JsonElement element;
            try
            {
                using var document = JsonDocument.Parse(line);
                element = document.RootElement.Clone();
            }
            catch (JsonException exception)
            {
                throw new EvaluationDataException(path, number, $"this is no JSON object ({exception.Message}).", exception);
            }

            yield return (Text(element, "_id", path, number), element, number);
        }
    }

    private static string Text(JsonElement line, string name, string path, int number, bool isOptional = false)
    {
        if (line.ValueKind != JsonValueKind.Object)
            throw new EvaluationDataException(path, number, "this is no JSON object.");
        if (!line.TryGetProperty(name, out var value) && isOptional)
            return "";
        return value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw new EvaluationDataException(path, number, $"\"{name}\" is missing or no text.");
    }

    private sealed record Judged(string Path, int Line, Dictionary<string, int> ByDocument);
}

/// <summary>A document of a test collection.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Title">Its title; empty where it has none.</param>
/// <param name="Text">Its text.</param>
public sealed record BeirDocument(string Id, string Title, string Text);
