using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.Cli.Training;

/// <summary>What became of a prompt.</summary>
internal sealed record SampledLine(IReadOnlyList<string> Kept, int Sampled, int Ended, int Accepted);

/// <summary>
/// Answers as they are sampled: FILE.part has the settings of the run and a line for each prompt, so that a run goes on where it stopped;
/// when all are there, FILE is written as a whole.
/// </summary>
internal sealed class SampledFile : IDisposable
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly List<SampledLine> _answers = [];
    private readonly FileStream _stream;

    private SampledFile(FileStream stream) => _stream = stream;

    public string Path => _stream.Name;

    /// <summary>What has been sampled, in the order of the prompts.</summary>
    public IReadOnlyList<SampledLine> Answers => _answers;

    /// <summary>What a run has to have in common with the one that it continues.</summary>
    public static string SettingsOf(string model, string? adapter, string data, bool verifies, CompletionSamplerOptions options)
        => JsonSerializer.Serialize(new
        {
            Model = System.IO.Path.Exists(model) ? System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(model)) : model,
            Adapter = adapter,
            Data = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(data))),
            Verify = verifies,
            options.Samples,
            options.Keep,
            options.Temperature,
            options.TopP,
            options.MaxTokens,
            options.Seed,
        }, Format);

    /// <summary>Begins, or goes on where an earlier run stopped.</summary>
    /// <exception cref="UsageException">That run had other settings, or is not over.</exception>
    public static SampledFile Open(string file, string settings)
    {
        var path = file + ".part";
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path))
        {
            throw new UsageException($"'{path}' is another run's, which is not over");
        }

        var part = new SampledFile(stream);
        try
        {
            part.Read(settings);
            return part;
        }
        catch
        {
            part.Dispose();
            throw;
        }
    }

    private void Read(string settings)
    {
        var bytes = new byte[_stream.Length];
        _stream.ReadExactly(bytes);
        int whole = bytes.AsSpan().LastIndexOf((byte)'\n') + 1;
        string[] lines = Encoding.UTF8.GetString(bytes, 0, whole).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        // A line that broke off is sampled again.
        _stream.SetLength(whole);
        _stream.Position = whole;
        if (lines.Length == 0)
        {
            Write(settings);
            return;
        }

        if (lines[0] != settings)
            throw new UsageException($"'{Path}' was begun with other settings or data ({lines[0]}); give those again, or delete it");
        foreach (var (i, line) in lines.Skip(1).Index())
            try
            {
                _answers.Add(JsonSerializer.Deserialize<SampledLine>(line, Format)!);
            }
            catch (JsonException exception)
            {
                throw new UsageException(string.Create(
                    CultureInfo.InvariantCulture, $"'{Path}', line {i + 2}, is broken ({exception.Message}); delete the file"));
            }
    }

    public void Add(SampledCompletions answers)
    {
        var line = new SampledLine(answers.Kept, answers.Sampled, answers.Ended, answers.Accepted);
        Write(JsonSerializer.Serialize(line, Format));
        _answers.Add(line);
    }

    /// <summary>Writes the answers to their file; false where there is none.</summary>
    /// <param name="file">The file.</param>
    /// <param name="sources">The lines that the prompts came from.</param>
    public bool Finish(string file, IReadOnlyList<string> sources)
    {
        bool any = _answers.Any(a => a.Kept.Count > 0);
        if (any)
            AtomicFile.Write(file, stream =>
            {
                foreach (var (source, answer) in sources.Zip(_answers))
                    foreach (var completion in answer.Kept)
                        stream.Write(Encoding.UTF8.GetBytes(LineOf(source, completion) + "\n"));
            });
        _stream.Dispose();
        File.Delete(file + ".part");
        return any;
    }

    public void Dispose() => _stream.Dispose();

    // A text as the prompt for a text; a message for messages, with the functions that the conversation has.
    private static string LineOf(string source, string completion)
    {
        using var json = JsonDocument.Parse(source);
        var root = json.RootElement;
        return root.TryGetProperty("prompt", out var prompt) && prompt.ValueKind == JsonValueKind.Array
            ? root.TryGetProperty("tools", out var tools) && tools.ValueKind != JsonValueKind.Null
                ? JsonSerializer.Serialize(new { prompt, completion = Messages(completion), tools }, Format)
                : JsonSerializer.Serialize(new { prompt, completion = Messages(completion) }, Format)
            : JsonSerializer.Serialize(new
            {
                prompt = prompt.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? root.GetProperty("question") : prompt,
                completion,
            }, Format);
    }

    private static object[] Messages(string completion) => [new { role = "assistant", content = completion }];

    private void Write(string line)
    {
        _stream.Write(Encoding.UTF8.GetBytes(line + "\n"));
        _stream.Flush();
    }
}
