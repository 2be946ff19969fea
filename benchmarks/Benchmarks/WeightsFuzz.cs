using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Kotonoha.Foundation.Gguf;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Mutated headers of GGUF and safetensors files, in memory: each is read or refused by the documented error, soon and without much memory.
/// </summary>
internal static class WeightsFuzz
{
    private const long MostBytes = 8L << 20;
    private const double MostSeconds = 1;
    private const int MostMutations = 4;

    private static readonly ulong[] Tempting =
        [0, 1, 2, 8, 31, 32, 33, 255, 1 << 16, int.MaxValue, uint.MaxValue, 1UL << 32, 1UL << 40, 1UL << 60, 1UL << 61, 1UL << 62,
            long.MaxValue, 1UL << 63, ulong.MaxValue - 7, ulong.MaxValue];

    public static int Run(string[] arguments)
    {
        if (arguments.Length != 2 || !long.TryParse(arguments[0], NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            || !int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out int seed))
        {
            Console.Error.WriteLine("usage: benchmarks fuzz-weights COUNT SEED");
            return 2;
        }

        var random = new Random(seed);
        byte[][] ggufs = [.. Ggufs()], safetensors = [.. Safetensors()];
        long accepted = 0, failures = 0, most = 0;
        double slowest = 0;
        var watch = Stopwatch.StartNew();
        for (long i = 0; i < count; i++)
        {
            bool gguf = i % 2 == 0;
            var seeds = gguf ? ggufs : safetensors;
            byte[] input = Mutate(seeds[random.Next(seeds.Length)], random);
            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            string? problem = null;
            try
            {
                problem = gguf ? ReadGguf(input) : ReadSafetensors(input);
                accepted++;
            }
            catch (Exception exception) when (exception is GgufException or SafetensorsException)
            {
                // Refused as documented.
            }
            catch (Exception exception)
            {
                problem = $"{exception.GetType().Name}: {exception.Message}";
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            for (int again = 0; again < 3 && seconds > MostSeconds; again++)
                seconds = Math.Min(seconds, Seconds(input, gguf)); // on a busy machine the process may just have waited
            most = Math.Max(most, allocated);
            slowest = Math.Max(slowest, seconds);
            problem ??= allocated > MostBytes ? $"{allocated} bytes allocated"
                : seconds > MostSeconds ? string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} seconds")
                : null;
            if (problem is null)
                continue;
            if (++failures <= 5)
                Console.WriteLine($"input {i}: {problem}\n  {Convert.ToBase64String(input)}");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"fuzz weights, seed {seed}: {count} headers in {watch.Elapsed.TotalSeconds:0} s, {accepted} accepted, {failures} failures; "
                + $"at most {most} bytes and {slowest * 1000:0.0} ms for one"));
        return failures == 0 ? 0 : 1;
    }

    private static double Seconds(byte[] input, bool gguf)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            _ = gguf ? ReadGguf(input) : ReadSafetensors(input);
        }
        catch (Exception exception) when (exception is GgufException or SafetensorsException)
        {
            // Refused as documented.
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static string? ReadGguf(byte[] input)
    {
        var header = GgufHeader.Read("input", new MemoryStream(input));
        long end = 0;
        foreach (var tensor in header.Tensors.OrderBy(t => t.Offset))
        {
            if (tensor.Offset < end || tensor.Bytes <= 0 || tensor.Bytes > input.Length - tensor.Offset)
                return $"tensor '{tensor.Name}' lies outside the file or on another";
            end = tensor.Offset + tensor.Bytes;
        }

        return null;
    }

    private static string? ReadSafetensors(byte[] input)
    {
        var header =
            SafetensorsHeader.Read("input", input.Length,
                (destination, offset) => input.AsSpan((int)offset, destination.Length).CopyTo(destination));
        return header.Entries.All(e => e.Begin >= 0 && e.End >= e.Begin && e.End <= input.Length - header.DataStart)
            ? null
            : "a tensor lies outside the file";
    }

    private static byte[] Mutate(byte[] seed, Random random)
    {
        byte[] input = [.. seed];
        for (int n = random.Next(1, MostMutations + 1); n > 0 && input.Length > 8; n--)
        {
            // Most of a file's traps lie near its front.
            int at = random.Next(random.Next(4) == 0 ? input.Length : Math.Min(input.Length, 400));
            switch (random.Next(7))
            {
                case 0:
                    input[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    input[at] = (byte)random.Next(256);
                    break;
                case 2 when at + 8 <= input.Length:
                    BinaryPrimitives.WriteUInt64LittleEndian(input.AsSpan(at), Tempting[random.Next(Tempting.Length)]);
                    break;
                case 3 when at + 4 <= input.Length:
                    BinaryPrimitives.WriteUInt32LittleEndian(input.AsSpan(at), (uint)Tempting[random.Next(Tempting.Length)]);
                    break;
                case 4:
                    input = input[..at];
                    break;
                case 5:
                    {
                        int length = Math.Min(random.Next(1, 32), input.Length - at);
                        input = random.Next(2) == 0
                            ? [.. input[..at], .. input[(at + length)..]]
                            : [.. input[..(at + length)], .. input[at..]];
                        break;
                    }

                default:
                    {
                        var digits = "0123456789-\"[]{},:e."u8;
                        input[at] = digits[random.Next(digits.Length)];
                        break;
                    }
            }
        }

        return input;
    }

    private static IEnumerable<byte[]> Ggufs()
    {
        foreach (var type in (DataType[])[DataType.Float32, DataType.Q8_0, DataType.Q4_1])
        {
            var writer = new GgufWriter();
            writer.Set("general.architecture", "llama");
            writer.Set("llama.context_length", 128u);
            writer.Set("a.numbers", new[] { 1, 2, 3 });
            writer.Set("a.texts", new[] { "one", "two", "日本" });
            writer.Set("a.nested", new[] { GgufValue.Of(new[] { 1f, 2f }), GgufValue.Of(new[] { true, false }) });
            writer.Set("a.double", 1.5);
            writer.Add("blk.0.attn_q.weight", type, [2, 64], (row, values) => values.Fill(row));
            writer.Add("output_norm.weight", new float[8], 8);
            using var stream = new MemoryStream();
            writer.Write(stream);
            yield return stream.ToArray();
        }
    }

    private static IEnumerable<byte[]> Safetensors()
    {
        for (int kind = 0; kind < 2; kind++)
        {
            var writer = new SafetensorsWriter();
            writer.SetMetadata("note", "日本 \"quoted\"");
            writer.Add("model.embed_tokens.weight", new float[12], 3, 4);
            writer.Add("model.norm.weight", new float[4], 4);
            if (kind == 1)
                writer.Add("ids", new long[] { 1, 2, 3 }, 3);
            using var stream = new MemoryStream();
            writer.Write(stream);
            yield return stream.ToArray();
        }
    }
}
