using System.Diagnostics;
using System.Globalization;
using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Readers;
using Kotonoha.Tests.Support;

namespace Kotonoha.Benchmarks.Fuzz;

/// <summary>
/// Broken and hostile documents through the readers of every format, in this process: <c>fuzz-readers COUNT SEED [EXTENSIONS] [FIRST]</c>.
/// Anything but a sound document or a typed error, soon and within the memory that a reader program has, is a failure.
/// </summary>
internal static class ReadersFuzz
{
    private const double MostSeconds = 5;
    private const long MostBytes = 2L << 30;
    private const int HangMs = 60_000;
    private const int ReportEvery = 10_000;

    public static int Run(string[] arguments)
    {
        if (arguments.Length is < 2 or > 4 || !long.TryParse(arguments[0], NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            || !int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out int seed))
        {
            Console.Error.WriteLine("usage: benchmarks fuzz-readers COUNT SEED [EXTENSIONS] [FIRST]   (EXTENSIONS: .pdf,.docx; - for "
                + "all; FIRST: "
                + "the number to begin with, which the run before printed when it ended early)");
            return 2;
        }

        var wanted = arguments.Length > 2 && arguments[2] != "-" ? arguments[2].Split(',') : null;
        long first = arguments.Length > 3 ? long.Parse(arguments[3], CultureInfo.InvariantCulture) : 0;
        var seeds = DocumentMutator.Seeds.Where(document => wanted?.Contains(Path.GetExtension(document.Name)) != false).ToArray();
        var run = new FuzzRun(new DocumentMutator(seed, seeds), first, count);
        var worker = new Thread(run.Work, DocumentLimits.ParserStackBytes) { IsBackground = true };
        var watch = Stopwatch.StartNew();
        worker.Start();
        long seen = -1, since = 0;
        // An input that never ends keeps its number; one that ends the process was the last that was printed, or one of those after it.
        while (!worker.Join(1000))
        {
            if (run.Number != seen)
                (seen, since) = (run.Number, watch.ElapsedMilliseconds);
            else if (watch.ElapsedMilliseconds - since > HangMs)
            {
                Console.WriteLine($"input {seen}: no end within {HangMs / 1000} s; it is {run.Save(seen)}");
                return 1;
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"fuzz readers, seed {seed}: {count} documents in {watch.Elapsed.TotalSeconds:0} s, {run.Read} read, {run.Failures} failures; "
                + $"at most {run.Slowest:0.00} s and {run.Most >> 20} MiB allocated for one"));
        return run.Failures == 0 ? 0 : 1;
    }

    private sealed class FuzzRun(DocumentMutator mutator, long first, long count)
    {
        public long Number { get; private set; }

        public long Read { get; private set; }

        public int Failures { get; private set; }

        public double Slowest { get; private set; }

        public long Most { get; private set; }

        public void Work()
        {
            for (Number = first; Number < first + count; Number++)
            {
                if (Number % ReportEvery == 0)
                    Console.Error.WriteLine($"{Number} …");
                var (name, content) = mutator.Document(Number);
                long before = GC.GetAllocatedBytesForCurrentThread();
                double seconds = Seconds(name, content, out var problem);
                long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                for (int again = 0; again < 2 && seconds > MostSeconds; again++)
                    seconds = Math.Min(seconds, Seconds(name, content, out _)); // on a busy machine the process may just have waited
                (Slowest, Most) = (Math.Max(Slowest, seconds), Math.Max(Most, allocated));
                problem ??= seconds > MostSeconds ? string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} seconds")
                    : allocated > MostBytes ? $"{allocated >> 20} MiB allocated" : null;
                if (problem is not null && ++Failures <= 20)
                    Console.WriteLine($"input {Number} ({name}, {content.Length} bytes): {problem}; it is {Save(Number)}");
            }
        }

        /// <summary>Writes an input to a file, to look at.</summary>
        public string Save(long number)
        {
            var (name, content) = mutator.Document(number);
            var path = Path.Combine(Path.GetTempPath(), $"kotonoha-fuzz-{number}-{name}");
            File.WriteAllBytes(path, content);
            return path;
        }

        private double Seconds(string name, byte[] content, out string? problem)
        {
            long start = Stopwatch.GetTimestamp();
            problem = null;
            try
            {
                DocumentReaders.InProcess.TryGet(name, out var reader);
                var document = reader!.ReadAsync(content, name).AsTask().GetAwaiter().GetResult();
                Read++;
                problem = Unsound(document);
            }
            catch (KotonohaException error)
            {
                problem = error.Message.Contains(name, StringComparison.Ordinal)
                    ? null : $"an error that does not name the file: {error.Message}";
            }
            catch (Exception error) when (error is OutOfMemoryException or InsufficientExecutionStackException or NullReferenceException
                or IndexOutOfRangeException or AccessViolationException)
            {
                // Parsers underneath may throw what they like, which DocumentReaders turns into a typed error; these are told all the same
                // where
                // they come from this project.
                if (error is OutOfMemoryException || error.StackTrace?.Split('\n')[0].Contains("Kotonoha.",
                    StringComparison.Ordinal) == true)
                    problem = error.ToString();
            }
            catch (Exception)
            {
                // See above.
            }

            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        /// <summary>The contract of <see cref="ExtractedDocument"/>.</summary>
        private static string? Unsound(ExtractedDocument document)
        {
            int end = 0;
            foreach (var block in document.Blocks)
            {
                if (block.Start < end || block.End <= block.Start || block.End > document.Text.Length
                    || !string.IsNullOrWhiteSpace(document.Text[end..block.Start]))
                    return $"block {block} does not follow what ends at {end}";
                end = block.End;
            }

            return !string.IsNullOrWhiteSpace(document.Text[end..]) ? "text outside of the blocks"
                : document.Text != Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(document.Text))
                    ? "text that does not survive UTF-8" : null;
        }
    }
}
