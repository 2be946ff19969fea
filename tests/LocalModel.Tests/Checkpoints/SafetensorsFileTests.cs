using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.LocalModel.Tests.Checkpoints;

public sealed class SafetensorsFileTests
{
    [Fact]
    public void Open_accepts_and_rejects_the_reference_collection_of_broken_files_as_told()
    {
        using var folder = FixtureArchive.Extract("broken-safetensors");
        using var list = JsonDocument.Parse(File.ReadAllBytes(folder.At("broken.json")));
        int accepted = 0, rejected = 0;
        foreach (var item in list.RootElement.GetProperty("safetensors").EnumerateArray())
        {
            var file = folder.At(item.GetProperty("file").GetString()!);
            switch (item.GetProperty("must").GetString())
            {
                case "accept":
                    using (var opened = SafetensorsFile.Open(file))
                    {
                        var expected = item.GetProperty("reference_reader").GetProperty("tensors").EnumerateObject()
                            .ToDictionary(t => t.Name, t => t.Value.EnumerateArray().Select(d => d.GetInt64()).ToArray());
                        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal),
                            opened.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal));
                        foreach (var (name, shape) in expected)
                            Assert.Equal(shape, opened[name].Shape.ToArray());
                    }

                    accepted++;
                    break;
                case "reject":
                    Assert.Equal(file, Assert.Throws<SafetensorsException>(() => SafetensorsFile.Open(file)).File);
                    rejected++;
                    break;
            }
        }

        Assert.True(accepted >= 9 && rejected >= 48, $"{accepted} accepted, {rejected} rejected");
    }

    [Fact]
    public void Open_never_throws_anything_but_its_own_error_on_mutated_files()
    {
        using var folder = new TemporaryFolder();
        var good =
            Bytes("""{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}}""", new byte[19]);
        var random = new Random(7);
        var file = folder.At("mutated.safetensors");
        int opened = 0;
        for (int round = 0; round < 3000; round++)
        {
            var bytes = good.AsSpan(0, random.Next(8) == 0 ? random.Next(good.Length) : good.Length).ToArray();
            for (int n = random.Next(4); n > 0 && bytes.Length > 0; n--)
                bytes[random.Next(bytes.Length)] = random.Next(2) == 0
                    ? (byte)random.Next(256)
                    : (byte)"{}[]\",:0123456789"[random.Next(17)];
            File.WriteAllBytes(file, bytes);
            try
            {
                using var tensors = SafetensorsFile.Open(file);
                opened++;
                Assert.Equal(19, tensors.Tensors.Sum(t => t.Count * t.Type.Size()));
            }
            catch (SafetensorsException)
            {
            }
        }

        Assert.InRange(opened, 1, 2999);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"dtype":"F32"}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}""")]
    [InlineData("""{"__metadata__":{},"__metadata__":{},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""")]
    [InlineData("""{"__metadata__":{"k":"1","k":"2"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""")]
    public void Open_refuses_duplicate_keys_of_every_kind(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.At("twice.safetensors"), Bytes(json, new byte[4]));
        var error = Assert.Throws<SafetensorsException>(() => SafetensorsFile.Open(folder.At("twice.safetensors")));
        Assert.Contains("twice", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Offset);
    }

    [Fact]
    public void Read_raises_half_precision_and_bfloat16_exactly()
    {
        using var folder = new TemporaryFolder();
        var data = new byte[16];
        Half[] halves = [(Half)1.5f, (Half)(-0.000061035156f), Half.PositiveInfinity, (Half)5.9604645e-8f];
        ushort[] brains = [0x3FC0, 0xC2F7, 0x0001, 0x7F80];
        for (int i = 0; i < 4; i++)
        {
            BinaryPrimitives.WriteHalfLittleEndian(data.AsSpan(2 * i), halves[i]);
            BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(8 + 2 * i), brains[i]);
        }

        var path = folder.At("half.safetensors");
        File.WriteAllBytes(path,
            Bytes("""{"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[8,16]}}""",
                data));
        using var file = SafetensorsFile.Open(path);
        Assert.Equal([1.5f, -0.000061035156f, float.PositiveInfinity, 5.9604645e-8f], file.ReadFloats("h"));
        Assert.Equal([1.5f, -123.5f, BitConverter.Int32BitsToSingle(0x10000), float.PositiveInfinity], file.ReadFloats("b"));
        Assert.Contains("BF16", Assert.Throws<SafetensorsException>(() => file.ReadIntegers("b")).Message, StringComparison.Ordinal);
        Assert.Contains("nothing", Assert.Throws<SafetensorsException>(() => file.ReadFloats("nothing")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Writer_gives_back_the_reference_writers_file_byte_for_byte()
    {
        using var folder = FixtureArchive.Extract("models-gpt2");
        var writer = new SafetensorsWriter();
        using (var source = SafetensorsFile.Open(folder.At("model.safetensors")))
            foreach (var tensor in source.Tensors.Reverse())
                writer.Add(tensor.Name, source.ReadFloats(tensor.Name), tensor.Shape);
        writer.Save(folder.At("copy.safetensors"));
        Assert.Equal(File.ReadAllBytes(folder.At("model.safetensors")), File.ReadAllBytes(folder.At("copy.safetensors")));
    }

    [Fact]
    public void Written_tensors_of_both_kinds_scalars_empty_ones_and_odd_names_are_read_back()
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("all.safetensors");
        var writer = new SafetensorsWriter();
        writer.SetMetadata("note", "言の葉 \"quoted\"");
        writer.Add("重み.\"x\"", new float[] { 1, float.NaN, -0f, float.NegativeInfinity }, 2, 2);
        writer.Add("scalar", new float[] { 3.25f });
        writer.Add("empty", Array.Empty<float>(), 0, 5);
        writer.Add("ids", new long[] { long.MinValue, -1, long.MaxValue }, 3);
        writer.Save(path);
        using var file = SafetensorsFile.Open(path);
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal("言の葉 \"quoted\"", file.Metadata["note"]);
        Assert.Equal(new float[] { 1, float.NaN, -0f, float.NegativeInfinity }, file.ReadFloats("重み.\"x\""));
        Assert.Equal([3.25f], file.ReadFloats("scalar"));
        Assert.Empty(file.ReadFloats("empty"));
        Assert.Equal([long.MinValue, -1, long.MaxValue], file.ReadIntegers("ids"));
        Assert.Empty(file["scalar"].Shape.ToArray());
        Assert.Equal([path], Directory.GetFileSystemEntries(folder.Path));
        Assert.Equal(0, BinaryPrimitives.ReadInt64LittleEndian(File.ReadAllBytes(path)) % 8);
    }

    private static byte[] Bytes(string json, byte[] data)
    {
        var header = Encoding.UTF8.GetBytes(json);
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        return [.. length, .. header, .. data];
    }
}
