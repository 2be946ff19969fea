using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Cpu;

/// <summary>
/// Products with weights in every stored format, against plain loops over the raised weights; and the same bits for the same row.
/// </summary>
public sealed class StoredWeightsTests
{
    public static TheoryData<DataType, int> FormatsAndWidths
    {
        get
        {
            var data = new TheoryData<DataType, int>();
            foreach (var format in Enum.GetValues<DataType>())
                if (format.IsQuantized() || format is DataType.Float16 or DataType.BFloat16)
                    foreach (int bits in (int[])[512, 256, 128])
                        data.Add(format, bits);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(FormatsAndWidths))]
    public void An_exact_product_is_the_one_with_the_raised_weights(DataType format, int bits)
    {
        const int Inputs = 512, Outputs = 37;
        using var weight = Weight(format, Outputs, Inputs);
        using var bias = Bias(Outputs);
        using var backend = new CpuBackend(2, bits) { IsExact = true };
        float[] raised = new float[weight.Length];
        weight.Read(raised);
        foreach (int rows in (int[])[1, 3, 20])
        {
            float[] x = Activations(rows, Inputs);
            float[] got = Apply(backend, x, rows, weight, bias);
            for (int r = 0; r < rows; r++)
                for (int o = 0; o < Outputs; o++)
                {
                    double sum = bias.Values[o], size = 0;
                    for (int i = 0; i < Inputs; i++)
                    {
                        sum += (double)x[r * Inputs + i] * raised[o * Inputs + i];
                        size += Math.Abs((double)x[r * Inputs + i] * raised[o * Inputs + i]);
                    }

                    Assert.Equal(sum, got[r * Outputs + o], 1e-5 * size + 1e-6);
                }
        }
    }

    [Theory]
    [MemberData(nameof(FormatsAndWidths))]
    public void A_fast_product_is_exact_but_for_the_rounding_of_activations_to_8_bits(DataType format, int bits)
    {
        const int Inputs = 512, Outputs = 37, Rows = 9;
        if (!format.IsQuantized())
            return;
        using var weight = Weight(format, Outputs, Inputs);
        using var bias = Bias(Outputs);
        using var backend = new CpuBackend(2, bits);
        float[] raised = new float[weight.Length], x = Activations(Rows, Inputs);
        weight.Read(raised);
        double[] rounded = Rounded(x, BlockUnpacker.GroupSize(format));
        float[] got = Apply(backend, x, Rows, weight, bias);
        for (int r = 0; r < Rows; r++)
            for (int o = 0; o < Outputs; o++)
            {
                double sum = bias.Values[o], size = 0;
                for (int i = 0; i < Inputs; i++)
                {
                    sum += rounded[r * Inputs + i] * raised[o * Inputs + i];
                    size += Math.Abs(rounded[r * Inputs + i]) * Math.Abs(raised[o * Inputs + i]);
                }

                // Offsets of signed formats are taken off at the end, so that their rounding counts as well.
                Assert.Equal(sum, got[r * Outputs + o], 1e-4 * size + 1e-5);
            }
    }

    [Theory]
    [MemberData(nameof(FormatsAndWidths))]
    public void A_row_gives_the_same_bits_alone_and_among_others_on_one_thread_and_on_two(DataType format, int bits)
    {
        const int Inputs = 1280, Outputs = 100, Rows = 261;
        using var weight = Weight(format, Outputs, Inputs);
        using var bias = Bias(Outputs);
        float[] x = Activations(Rows, Inputs);
        foreach (bool exact in (bool[])[false, true])
        {
            using var one = new CpuBackend(1, bits) { IsExact = exact };
            using var two = new CpuBackend(2, bits) { IsExact = exact };
            float[] all = Apply(one, x, Rows, weight, bias);
            Assert.Equal(all, Apply(two, x, Rows, weight, bias));
            foreach (var (first, count) in ((int, int)[])[(0, 1), (7, 3), (100, 4), (258, 3), (30, 60)])
                Assert.Equal(all[(first * Outputs)..((first + count) * Outputs)],
                    Apply(two, x[(first * Inputs)..((first + count) * Inputs)], count, weight, bias));
        }
    }

    [Fact]
    public void Halves_are_raised_exactly_by_vectors()
    {
        // All halves, in pairs, through a product with a unit vector.
        using var weight = new Parameter("w", DataType.Float16, 65536 / 64, 64);
        for (int i = 0; i < 65536; i++)
            BitConverter.TryWriteBytes(weight.StoredRow(i / 64)[(i % 64 * 2)..], (ushort)i);
        using var backend = new CpuBackend(1) { IsExact = true };
        for (int column = 0; column < 64; column++)
        {
            float[] x = new float[64];
            x[column] = 1;
            float[] got = Apply(backend, x, 1, weight, null);
            for (int row = 0; row < got.Length; row++)
            {
                float want = (float)BitConverter.UInt16BitsToHalf((ushort)(row * 64 + column));
                bool others = Enumerable.Range(row * 64, 64).Any(i => !Half.IsFinite(BitConverter.UInt16BitsToHalf((ushort)i)));
                Assert.True(others ? !float.IsFinite(got[row]) : got[row] == want, $"{row * 64 + column:x4}: {got[row]} instead of {want}");
            }
        }
    }

    [Theory]
    [InlineData(DataType.Float32, 1024)]
    [InlineData(DataType.Float16, 2048)]
    [InlineData(DataType.Q8_0, 32 * 128)]
    [InlineData(DataType.Q4_1, 32 * 1024)]
    [InlineData(DataType.Float16, 40)]
    public void Weights_at_the_very_end_of_a_mapped_file_are_read_and_nothing_behind_them(DataType format, int columns)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "weights.bin");

        // The last row ends where a page ends: reading past it would fault.
        const int Rows = 21, Page = 4096;
        long bytes = Rows * format.Bytes(columns), length = (bytes + Page - 1) / Page * Page;
        using var weight = Weight(format, Rows, columns);
        using (var stream = File.Create(path))
        {
            stream.SetLength(length - bytes);
            stream.Position = length - bytes;
            for (int row = 0; row < Rows; row++)
                stream.Write(weight.StoredRow(row));
        }

        var file = new MappedFile(path);
        using var mapped = new Parameter("w", format, file, length - bytes, isStoredTransposed: false, Rows, columns);
        file.Release();
        foreach (bool exact in (bool[])[true, false])
            foreach (int rows in (int[])[1, 5, 30])
            {
                using var backend = new CpuBackend(2) { IsExact = exact };
                float[] x = Activations(rows, columns);
                Assert.Equal(Apply(backend, x, rows, weight, null), Apply(backend, x, rows, mapped, null));
            }

        Assert.Throws<InvalidOperationException>(() => mapped.Values.Length);
    }

    private static float[] Apply(CpuBackend backend, float[] x, int rows, Parameter weight, Parameter? bias)
    {
        using var pass = new CpuInferencePass(backend);
        pass.Begin();
        return pass.Read(pass.Linear(pass.Constant(x, rows, x.Length / rows), weight, bias)).ToArray();
    }

    // Random quants under sane scales: every bit of a block is used.
    private static Parameter Weight(DataType format, int rows, int columns)
    {
        var random = new Random(11);
        var weight = new Parameter("w", format, rows, columns);
        for (int row = 0; row < rows; row++)
        {
            var stored = weight.StoredRow(row);
            random.NextBytes(stored);
            if (!format.IsQuantized())
            {
                for (int i = 0; i < columns; i++)
                {
                    float value = random.NextSingle() * 2 - 1;
                    if (format == DataType.Float32)
                        BitConverter.TryWriteBytes(stored[(4 * i)..], value);
                    else
                        BitConverter.TryWriteBytes(stored[(2 * i)..],
                            format == DataType.Float16
                                ? BitConverter.HalfToUInt16Bits((Half)value)
                                : (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
                }

                continue;
            }

            for (int at = 0; at < stored.Length; at += format.BlockBytes())
                foreach (int scale in Scales(format))
                    if (format == DataType.MXFP4)
                        stored[at] = (byte)random.Next(118, 128);
                    else
                        BitConverter.TryWriteBytes(stored[(at + scale)..],
                            BitConverter.HalfToUInt16Bits((Half)((random.NextSingle() - 0.5f) * 0.1f)));
        }

        return weight;
    }

    private static int[] Scales(DataType format) => format switch
    {
        DataType.Q4_1 or DataType.Q5_1 or DataType.Q4_K or DataType.Q5_K => [0, 2],
        DataType.Q2_K => [80, 82],
        DataType.Q3_K => [108],
        DataType.Q6_K => [208],
        DataType.TQ1_0 => [52],
        DataType.TQ2_0 => [64],
        _ => [0],
    };

    private static Parameter Bias(int outputs)
    {
        var random = new Random(5);
        var bias = new Parameter("b", outputs);
        foreach (ref float value in bias.Values)
            value = random.NextSingle() - 0.5f;
        return bias;
    }

    private static float[] Activations(int rows, int columns)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, rows * columns).Select(i => i / 32 % 7 == 3 ? 0 : (random.NextSingle() - 0.5f) * (1 + i % 5))];
    }

    private static double[] Rounded(float[] x, int group)
    {
        var rounded = new double[x.Length];
        for (int first = 0; first < x.Length; first += group)
        {
            float most = x.AsSpan(first, group).ToArray().Max(Math.Abs), scale = most / 127, inverse = most > 0 ? 127 / most : 0;
            for (int i = first; i < first + group; i++)
                rounded[i] = Math.Round(x[i] * inverse) * scale;
        }

        return rounded;
    }
}
