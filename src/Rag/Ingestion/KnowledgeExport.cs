using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Ingestion;

/// <summary>What is written by <see cref="KnowledgeBase.ExportAsync"/>.</summary>
public sealed record ExportOptions
{
    /// <summary>The documents; null for all.</summary>
    public IReadOnlyCollection<string>? Sources { get; init; }

    /// <summary>Whether the dense vectors are written too.</summary>
    public bool IncludesVectors { get; init; }
}

/// <summary>What a knowledge base holds.</summary>
/// <param name="Location">Where the store is.</param>
/// <param name="Documents">How many documents it holds; of a scope, those that it sees.</param>
/// <param name="WebPages">How many of them are pages from the web.</param>
/// <param name="Chunks">How many chunks they have.</param>
/// <param name="Bytes">Their size in bytes, as files.</param>
/// <param name="EmbedderVersion">The embedder whose vectors are stored, or null.</param>
/// <param name="Dimension">The width of the vectors, or 0.</param>
/// <param name="AnalyzerId">The text analyzer, or null where nothing has been brought in yet.</param>
/// <param name="StoreBytes">The size of the store's files, or null where the store does not say.</param>
/// <param name="Quarantined">The files that are not taken in, each with its reason.</param>
public sealed record KnowledgeStatus(
    string Location, int Documents, int WebPages, int Chunks, long Bytes, string? EmbedderVersion, int Dimension, string? AnalyzerId,
    long? StoreBytes, IReadOnlyList<QuarantineRecord> Quarantined);

/// <summary>A line of an export cannot be read.</summary>
public sealed class ImportException : KotonohaException
{
    internal ImportException(int line, string reason, Exception? inner = null)
        : base($"Line {line} of the export cannot be read: {reason} Nothing of the document that it belongs to was taken in.", inner)
        => Line = line;

    /// <summary>The line, from 1.</summary>
    public int Line { get; }
}

/// <summary>
/// Chunks as lines of JSON: <c>source</c>, <c>hash</c>, <c>version</c>, <c>bytes</c>, <c>title</c>, <c>tags</c>, <c>access</c>, <c>etag</c>
/// and <c>modified</c> of the document; <c>id</c>, <c>ordinal</c>, <c>start</c>, <c>end</c>, <c>page</c>, <c>heading</c>,
/// <c>table_header</c> and <c>text</c> of the chunk; <c>vector</c> where asked for. A document without chunks has one line without the
/// chunk's fields.
/// </summary>
internal static class ExportLine
{
    internal const int MaxCharacters = 16 << 20;

    private static readonly JsonWriterOptions Style = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(DocumentRecord record, Chunk? chunk, float[]? vector)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, Style))
        {
            json.WriteStartObject();
            json.WriteString("source", record.Source);
            json.WriteString("hash", record.Hash);
            json.WriteString("version", record.Version);
            json.WriteNumber("bytes", record.Bytes);
            json.WriteString("title", record.Title);
            Strings(json, "tags", record.Tags);
            Strings(json, "access", record.Access?.Keys ?? []);
            if (record.ETag is not null)
                json.WriteString("etag", record.ETag);
            if (record.LastModified is not null)
                json.WriteString("modified", record.LastModified);
            if (chunk is not null)
            {
                json.WriteString("id", chunk.Id);
                json.WriteNumber("ordinal", chunk.Ordinal);
                json.WriteNumber("start", chunk.Start);
                json.WriteNumber("end", chunk.End);
                if (chunk.Page is { } page)
                    json.WriteNumber("page", page);
                json.WriteString("heading", chunk.Heading);
                if (chunk.TableHeader is not null)
                    json.WriteString("table_header", chunk.TableHeader);
                json.WriteString("text", chunk.Text);
            }

            if (vector is not null)
            {
                json.WriteStartArray("vector");
                foreach (var value in vector)
                    json.WriteNumberValue(value);
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(memory.GetBuffer(), 0, (int)memory.Length);
    }

    /// <exception cref="ImportException">The line is not one of an export.</exception>
    public static (DocumentRecord Record, Chunk? Chunk) Read(string line, int number)
    {
        try
        {
            if (line.Length > MaxCharacters)
                throw new FormatException($"it is longer than {MaxCharacters} characters.");
            using var parsed = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 4 });
            var root = parsed.RootElement;
            string Needed(string name) => root.GetProperty(name).GetString() is { Length: > 0 } value
                ? value : throw new FormatException($"'{name}' is empty.");
            string? Optional(string name) => root.TryGetProperty(name, out var value) ? value.GetString() : null;
            var access = root.TryGetProperty("access", out var keys) ? keys.EnumerateArray().Select(key => key.GetString()!).ToArray() : [];
            var record = new DocumentRecord(Needed("source"), Needed("hash"), Needed("version"), 0, 0, Optional("title"),
                root.TryGetProperty("bytes", out var bytes) ? bytes.GetInt64() : 0,
                root.TryGetProperty("tags", out var tags) ? [.. tags.EnumerateArray().Select(tag => tag.GetString()!)] : [])
            {
                Access = access.Length == 0 ? null
                    : DocumentAccess.FromKeys(access) ?? throw new FormatException($"'access' ({string.Join(", ", access)}) is not known."),
                ETag = Optional("etag"),
                LastModified = Optional("modified"),
            };
            if (!root.TryGetProperty("id", out var id))
                return (record, null);
            var chunk = new Chunk(
                Guid.Parse(id.GetString()!).ToString(), record.Source, root.GetProperty("ordinal").GetInt32(),
                root.GetProperty("start").GetInt32(), root.GetProperty("end").GetInt32(), Needed("text"), Optional("heading"),
                root.TryGetProperty("page", out var page) ? page.GetInt32() : null, record.Title, Optional("table_header"));
            if (chunk.Ordinal < 0 || chunk.Start < 0 || chunk.End - chunk.Start != chunk.Text.Length || chunk.Page is < 1)
                throw new FormatException("'ordinal', 'start', 'end', 'page' and the length of 'text' do not go together.");
            return (record, chunk);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException
            or ArgumentException)
        {
            throw new ImportException(number, error.Message, error);
        }
    }

    private static void Strings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }
}
