using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Kotonoha.Foundation.Text;

namespace Kotonoha.Readers.Recognition;

/// <summary>What was recognised in an image: its paragraphs, and how sure that is, from 0 to 100.</summary>
internal sealed record RecognisedText(IReadOnlyList<string> Paragraphs, double Confidence);

/// <summary>Runs <c>tesseract</c> as a child process, one for each image, with limits of time, memory and output.</summary>
/// <remarks>Thread-safe. The image goes to its standard input and the words come from its standard output, so that nothing is written to
/// disk. It gets no environment variables but those that it needs.</remarks>
internal sealed class Tesseract
{
    private const int MaxOutputChars = 32 << 20;
    private const int MaxErrorChars = 4096;
    private const int MemoryCheckMs = 50;

    private static readonly string[] InheritedVariables =
        ["PATH", "SystemRoot", "windir", "TEMP", "TMP", "TMPDIR", "TESSDATA_PREFIX", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

    private readonly TextRecognitionOptions _options;
    private readonly SemaphoreSlim _slots;
    private readonly SemaphoreSlim _checking = new(1, 1);
    private bool _isChecked;

    internal Tesseract(TextRecognitionOptions options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(options.Program);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxProcesses);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxImageMs);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxDocumentMs);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxMemoryBytes);
        var languages = options.Languages.Split('+');
        if (languages.Any(language => language.Length == 0 || language[0] is '-' or '/'
            || !language.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-' or '/')))
            throw new ArgumentException($"'{options.Languages}' are no languages of tesseract; for example eng, or eng+jpn.",
                nameof(options));
        (_options, _slots) = (options, new SemaphoreSlim(options.MaxProcesses));
    }

    internal TextRecognitionOptions Options => _options;

    /// <summary>Whether the program is there, with its languages.</summary>
    /// <exception cref="DocumentReaderUnavailableException">It is not; the message says what to install.</exception>
    internal async Task CheckAsync(CancellationToken cancellationToken)
    {
        await _checking.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isChecked)
                return;
            var (code, output, error) = await RunAsync(["--list-langs"], null, "the list of languages", cancellationToken)
                .ConfigureAwait(false);
            // Older versions write the list to the error output.
            var installed = (output + "\n" + error).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            var missing = _options.Languages.Split('+').Except(installed, StringComparer.Ordinal).ToArray();
            if (missing.Length > 0)
                throw new DocumentReaderUnavailableException(
                    $"tesseract does not know the language {string.Join(", ", missing.Select(language => $"'{language}'"))}"
                    + $"{(code == 0 ? "" : $" ({error.Trim()})")}. Install its data (on Debian: apt-get install "
                    + $"{string.Join(' ', missing.Select(language => "tesseract-ocr-" + language.Replace('_', '-')))}).");
            _isChecked = true;
        }
        finally
        {
            _checking.Release();
        }
    }

    /// <summary>Recognises the text of an image.</summary>
    /// <param name="image">The image as a file. It must be one: tesseract would take any other text for a list of files to open.</param>
    /// <param name="name">What it is called in messages.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="DocumentFormatException">It is no image that tesseract reads, or goes beyond a limit.</exception>
    /// <exception cref="DocumentReaderUnavailableException">The program is not there.</exception>
    internal async Task<RecognisedText> RecogniseAsync(byte[] image, string name, CancellationToken cancellationToken)
    {
        if (!IsImage(image))
            throw new DocumentFormatException($"'{name}' is no image of a known format (PNG, JPEG, JPEG 2000, TIFF, WebP, BMP).");
        await CheckAsync(cancellationToken).ConfigureAwait(false);
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var (code, output, error) = await RunAsync(
                ["stdin", "stdout", "-l", _options.Languages, "--psm", "3", "tsv"], image, name, cancellationToken).ConfigureAwait(false);
            return code == 0 ? Parse(output)
                : throw new DocumentFormatException($"'{name}' cannot be read by tesseract: {FirstLine(error)}");
        }
        finally
        {
            _slots.Release();
        }
    }

    private static bool IsImage(ReadOnlySpan<byte> image)
        => image.Length >= 16 && (image.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A])
            || image.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])
            || image.StartsWith("\0\0\0\x0CjP  "u8) || image.StartsWith((ReadOnlySpan<byte>)[(byte)'I', (byte)'I', 42, 0])
            || image.StartsWith((ReadOnlySpan<byte>)[(byte)'M', (byte)'M', 0, 42])
            || (image.StartsWith("RIFF"u8) && image[8..].StartsWith("WEBP"u8))
            || (image.StartsWith("BM"u8) && image[6..10].SequenceEqual("\0\0\0\0"u8)));

    /// <summary>Puts the words of tesseract's table together: lines to paragraphs, words cut at a line's end made whole.</summary>
    internal static RecognisedText Parse(string table)
    {
        var paragraphs = new List<string>();
        var paragraph = new StringBuilder();
        string? lastParagraph = null, lastLine = null;
        double sure = 0;
        long letters = 0;
        foreach (var row in table.Split('\n'))
        {
            // level page block paragraph line word left top width height confidence text
            var cells = row.TrimEnd('\r').Split('\t', 12);
            if (cells.Length < 12 || cells[0] != "5" || string.IsNullOrWhiteSpace(cells[11])
                || !double.TryParse(cells[10], NumberStyles.Float, CultureInfo.InvariantCulture, out var confidence) || confidence < 0)
                continue;
            var word = cells[11].Trim();
            var place = string.Join(' ', cells[1..4]);
            var line = place + ' ' + cells[4];
            if (place != lastParagraph)
                End();
            bool isNewLine = lastLine is not null && line != lastLine;
            if (paragraph.Length > 0 && isNewLine && paragraph[^1] == '-' && paragraph.Length > 1 && char.IsLetter(paragraph[^2])
                && char.IsLower(word[0]))
                paragraph.Length--;
            else if (paragraph.Length > 0 && !(CjkText.IsCjk(paragraph[^1]) && CjkText.IsCjk(word[0])))
                paragraph.Append(' ');
            paragraph.Append(word);
            (lastParagraph, lastLine) = (place, line);
            sure += confidence * word.Length;
            letters += word.Length;
        }

        End();
        return new RecognisedText(paragraphs, letters == 0 ? 0 : Math.Clamp(sure / letters, 0, 100));

        void End()
        {
            if (paragraph.Length > 0)
                paragraphs.Add(paragraph.ToString());
            paragraph.Clear();
        }
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(
        string[] arguments, byte[]? input, string name, CancellationToken cancellationToken)
    {
        using var process = Start(arguments);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_options.MaxImageMs);
        string? excess = null;
        try
        {
            var output = ReadAsync(process.StandardOutput, MaxOutputChars, limit.Token);
            var error = ReadAsync(process.StandardError, MaxErrorChars, limit.Token);
            var writing = WriteAsync(process, input, limit.Token);
            var ending = process.WaitForExitAsync(limit.Token);
            while (await Task.WhenAny(ending, Task.Delay(MemoryCheckMs, limit.Token)).ConfigureAwait(false) != ending)
            {
                limit.Token.ThrowIfCancellationRequested();
                if (output.IsCompletedSuccessfully && output.Result is null)
                    excess = "gives more text than a page holds";
                else if (MemoryOf(process) > _options.MaxMemoryBytes)
                    excess = $"needs more than {_options.MaxMemoryBytes >> 20} MB of memory to read";
                if (excess is not null)
                    break;
            }

            if (excess is null)
            {
                await ending.ConfigureAwait(false);
                await writing.ConfigureAwait(false);
                if (await output.ConfigureAwait(false) is { } text)
                    return (process.ExitCode, text, await error.ConfigureAwait(false) ?? "");
                excess = "gives more text than a page holds";
            }

            throw new DocumentFormatException($"'{name}' {excess} and was given up.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DocumentFormatException(
                FormattableString.Invariant($"'{name}' took longer than {_options.MaxImageMs / 1000.0:0.###} s to read and was given up."))
            {
                IsDeterministic = false,
            };
        }
        finally
        {
            Kill(process);
        }
    }

    private Process Start(string[] arguments)
    {
        var start = new ProcessStartInfo(_options.Program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            UseShellExecute = false,
            CreateNoWindow = true,
        };
        start.Environment.Clear();
        foreach (var name in InheritedVariables)
            if (Environment.GetEnvironmentVariable(name) is { } value)
                start.Environment[name] = value;
        start.Environment["OMP_THREAD_LIMIT"] = "1";
        try
        {
            return Process.Start(start)!;
        }
        catch (Exception error) when (error is Win32Exception or IOException or UnauthorizedAccessException)
        {
            throw new DocumentReaderUnavailableException(
                $"Images and scanned pages are read by the program tesseract, and '{_options.Program}' cannot be started "
                + "(it is not there, or may not be run). Install it (apt-get install tesseract-ocr; brew install tesseract; "
                + "winget install UB-Mannheim.TesseractOCR), so that it is on the PATH.", error);
        }
    }

    private static async Task WriteAsync(Process process, byte[]? input, CancellationToken cancellationToken)
    {
        try
        {
            if (input is not null)
                await process.StandardInput.BaseStream.WriteAsync(input, cancellationToken).ConfigureAwait(false);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended without reading all of it; its exit code and its error output say why.
        }
    }

    /// <summary>Reads to the end; null where it is longer than the limit.</summary>
    private static async Task<string?> ReadAsync(StreamReader reader, int maxChars, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var block = new char[8192];
        int count;
        while ((count = await reader.ReadAsync(block, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (text.Length + count > maxChars && maxChars == MaxOutputChars)
                return null;
            text.Append(block, 0, Math.Min(count, maxChars - text.Length));
        }

        return text.ToString();
    }

    private static long MemoryOf(Process process)
    {
        try
        {
            process.Refresh();
            return process.HasExited ? 0 : process.WorkingSet64;
        }
        catch (Exception error) when (error is InvalidOperationException or Win32Exception or IOException)
        {
            return 0;
        }
    }

    private static void Kill(Process process)
    {
        try
        {
            if (!process.HasExited)
                process.Kill();
        }
        catch (Exception error) when (error is InvalidOperationException or Win32Exception)
        {
            // It has ended meanwhile.
        }
    }

    private static string FirstLine(string text)
        => text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) is [var first, ..]
            ? first : "no reason given";
}
