using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Microsoft.Win32.SafeHandles;

namespace Kotonoha.Cli.Output;

/// <summary>Answers and errors as one JSON object a line.</summary>
internal static class JsonLines
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly JsonSerializerOptions Explanations = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    public static string Answer(Answer answer, AnswerExplanation? explanation = null) => Line(json =>
    {
        json.WriteString("question", answer.Question);
        if (answer.CompletedQuestion is { } completed)
            json.WriteString("completed_question", completed);
        json.WriteBoolean("found", answer.Found);
        json.WriteString("answer", answer.Text);
        json.WriteString("answered_by", answer.AnsweredBy == AnsweredBy.Model ? "model" : "extraction");
        WriteCitations(json, answer.Citations);
        json.WriteStartArray("nearest");
        foreach (var document in answer.Nearest)
        {
            json.WriteStartObject();
            json.WriteString("source", document.Source);
            WritePlace(json, document.Page, document.Heading, document.Score);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("timings");
        foreach (var (stage, milliseconds) in answer.Timings)
            json.WriteNumber(stage + "_ms", Math.Round(milliseconds, 2));
        json.WriteEndObject();
        if (explanation is null)
            return;
        json.WritePropertyName("explanation");
        JsonSerializer.Serialize(json, new
        {
            explanation.Language,
            explanation.Kind,
            explanation.Terms,
            explanation.References,
            explanation.Threshold,
            explanation.Searches,
            explanation.Candidates,
        }, Explanations);
    });

    /// <summary>Passages, best first, with the scores of both rankings.</summary>
    public static string Passages(string query, SearchExplanation? found, bool explains) => Line(json =>
    {
        json.WriteString("query", query);
        json.WriteStartArray("passages");
        foreach (var hit in found?.Hits ?? [])
        {
            json.WriteStartObject();
            json.WriteString("source", hit.Chunk.Source);
            json.WriteString("text", PassageText.Readable(hit));
            json.WriteNumber("start", hit.Chunk.Start);
            json.WriteNumber("end", hit.Chunk.End);
            WritePlace(json, hit.Chunk.Page, hit.Chunk.Heading, hit.Score);
            WriteScore(json, "vector_score", hit.DenseScore);
            WriteScore(json, "keyword_score", hit.SparseScore);
            if (hit.RerankScore is not null)
                WriteScore(json, "rerank_score", hit.RerankScore);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (!explains || found is null)
            return;
        json.WritePropertyName("explanation");
        JsonSerializer.Serialize(json, new
        {
            found.Queries,
            found.Fused,
            found.BelowThreshold,
            found.Diversified,
            found.Reranked,
            found.Milliseconds,
        }, Explanations);
    });

    public static string Summary(Summary summary) => Line(json =>
    {
        json.WriteString("summary", summary.Text);
        json.WriteString("written_by", summary.WrittenBy == AnsweredBy.Model ? "model" : "extraction");
        json.WriteNumber("passages", summary.Passages);
        json.WriteNumber("unsupported", summary.Unsupported);
        WriteCitations(json, summary.Citations);
    });

    private static void WriteCitations(Utf8JsonWriter json, IReadOnlyList<Citation> citations)
    {
        json.WriteStartArray("citations");
        foreach (var citation in citations)
        {
            json.WriteStartObject();
            json.WriteNumber("number", citation.Number);
            json.WriteString("source", citation.Source);
            json.WriteString("quote", citation.Quote);
            if (citation.Text != citation.Quote)
                json.WriteString("text", citation.Text);
            json.WriteNumber("start", citation.Start);
            json.WriteNumber("end", citation.End);
            WritePlace(json, citation.Page, citation.Heading, citation.Score);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static string Error(string? question, string message) => Line(json =>
    {
        if (question is not null)
            json.WriteString("question", question);
        json.WriteString("error", message);
    });

    /// <summary>Writes one object.</summary>
    public static string Line(Action<Utf8JsonWriter> members)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, Options))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(memory.GetBuffer(), 0, (int)memory.Length);
    }

    private static void WriteScore(Utf8JsonWriter json, string name, double? score)
    {
        if (score is { } value)
            json.WriteNumber(name, Math.Round(value, 4));
        else
            json.WriteNull(name);
    }

    private static void WritePlace(Utf8JsonWriter json, int? page, string? heading, double score)
    {
        if (page is { } number)
            json.WriteNumber("page", number);
        else
            json.WriteNull("page");
        json.WriteString("heading", heading);
        json.WriteNumber("score", Math.Round(score, 4));
    }
}

/// <summary>An answer as a person reads it.</summary>
internal static class AnswerText
{
    public static string Format(Answer answer)
    {
        var text = new StringBuilder();
        text.Append("Q: ").AppendLine(answer.Question);
        if (answer.CompletedQuestion is { } completed)
            text.Append("   read as: ").AppendLine(completed);
        text.Append("A: ").AppendLine(answer.Text);
        foreach (var citation in answer.Citations)
        {
            text.Append(CultureInfo.InvariantCulture, $"   [{citation.Number}] {citation.Source}{Place(citation.Page, citation.Heading)}")
                .AppendLine();
            text.Append("       “").Append(citation.Text.ReplaceLineEndings("\n        ")).AppendLine("”");
        }

        foreach (var document in answer.Nearest)
            text.Append(CultureInfo.InvariantCulture, $"   near: {document.Source}{Place(document.Page, document.Heading)}").AppendLine();
        return text.ToString();
    }

    internal static string Place(int? page, string? heading)
        => (page is { } number ? string.Create(CultureInfo.InvariantCulture, $", page {number}") : "")
            + (heading is null ? "" : $", {heading}");
}

/// <summary>Standard output as a stream that says when its reader has left.</summary>
internal static class StandardOutput
{
    private const int Descriptor = 1;

    /// <summary>
    /// Opens it. The console's own stream swallows the error of a closed pipe, so a pipe is written as a file is; a real file stays with
    /// the console's, which moves the place that other programs go on writing at.
    /// </summary>
    public static Stream Open()
    {
        if (OperatingSystem.IsWindows())
            return Console.OpenStandardOutput();
        var stream = new FileStream(new SafeFileHandle(Descriptor, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        if (!stream.CanSeek)
            return stream;
        stream.Dispose();
        return Console.OpenStandardOutput();
    }
}
