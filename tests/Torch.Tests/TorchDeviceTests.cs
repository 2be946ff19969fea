using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Torch;

namespace Kotonoha.Torch.Tests;

public sealed class TorchDeviceTests
{
    [Fact]
    public void Devices_are_found_by_name()
    {
        Assert.Equal("torch-cpu", Device.Parse("torch-cpu").Name);
        Assert.Equal(TorchPrecision.BFloat16, TorchDevice.Parse("torch-cpu", "bf16").Precision);
        Assert.Same(Device.Cpu, Device.Parse("cpu"));
    }

    [Theory]
    [InlineData("tpu", null)]
    [InlineData("cuda:x", null)]
    [InlineData("torch-cpu", "fp8")]
    [InlineData("cpu", "bf16")]
    public void An_unknown_name_or_precision_is_an_error(string name, string? precision)
        => Assert.Throws<ArgumentException>(() => Device.Parse(name, precision));

    [Fact]
    public void A_gpu_that_is_not_there_says_why()
    {
        if (TorchSharp.torch.cuda.is_available())
            return;
        var error = Assert.Throws<DeviceNotAvailableException>(() => TorchDevice.Cuda(0));
        Assert.Equal("cuda:0", error.Device);
        Assert.Contains("CUDA", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cache_of_another_device_is_refused()
    {
        using var session = TorchDevice.Cpu().CreateInferenceSession();
        using var other = Device.Cpu.CreateInferenceSession();
        using var cache = other.CreateCache(new KvShape(1, 1, 4, 4), 64);
        using var sequence = cache.NewSequence();
        var batch = new Batch();
        batch.Append([1, 2], sequence);
        var pass = session.Begin();
        var x = pass.Constant(new float[8], 2, 4);
        Assert.Contains("another device",
            Assert.Throws<ArgumentException>(() => pass.Attention(x, x, x, batch, new AttentionOptions(1) { Causal = true })).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void No_memory_is_an_error_of_its_own()
    {
        using var session = TorchDevice.Cpu().CreateInferenceSession();
        var error = Record.Exception(() => TorchSharp.torch.zeros(1L << 50));
        Assert.NotNull(error);
        var typed = Assert.IsType<DeviceMemoryException>(session.Explain(error));
        Assert.Equal("torch-cpu", typed.Device);
        Assert.Same(error, typed.InnerException);
        Assert.Null(session.Explain(new InvalidOperationException("something else")));
    }

    // A shared library with one needed version, as the linker writes it.
    [Fact]
    public void A_needed_version_becomes_optional()
    {
        var native = Directory.EnumerateFiles(AppContext.BaseDirectory, "libLibTorchSharp.so", SearchOption.AllDirectories)
            .FirstOrDefault();
        Assert.NotNull(native);
        byte[] before = File.ReadAllBytes(native), after = [.. before];
        Assert.True(TorchLibraries.MakeWeak(after, "GLIBCXX_3.4.32"));
        Assert.Equal(1, before.Zip(after).Count(pair => pair.First != pair.Second));
        Assert.False(TorchLibraries.MakeWeak(after, "GLIBCXX_9.9.9"));
        Assert.False(TorchLibraries.MakeWeak([1, 2, 3], "GLIBCXX_3.4.32"));
    }
}
