using Kotonoha.LocalModel.Cpu;

namespace Kotonoha.LocalModel.Tests.Tensors;

public sealed class ArenaTests
{
    [Fact]
    public void A_tensor_that_outlived_its_pass_throws()
    {
        using var pass = new CpuInferencePass(new CpuBackend(1));
        pass.Begin();
        var old = pass.Constant([1, 2, 3, 4], 2, 2);
        pass.Begin();
        Assert.Throws<InvalidOperationException>(() => pass.Read(old).Length);
        Assert.Throws<InvalidOperationException>(() => pass.Scale(old, 2));
    }

    [Fact]
    public void A_disposed_pass_throws()
    {
        var pass = new CpuInferencePass(new CpuBackend(1));
        pass.Begin();
        pass.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pass.Begin());
        Assert.Throws<ObjectDisposedException>(() => pass.Constant([1], 1, 1));
        Assert.Equal(0, pass.MemoryBytes);
    }

    [Fact]
    public void A_tensor_of_another_pass_throws()
    {
        using var first = new CpuInferencePass(new CpuBackend(1));
        using var second = new CpuInferencePass(new CpuBackend(1));
        first.Begin();
        second.Begin();
        var stranger = first.Constant([1, 2], 1, 2);
        Assert.Throws<InvalidOperationException>(() => second.Scale(stranger, 2));
    }

    [Fact]
    public void The_next_layer_keeps_one_tensor_and_forgets_the_others()
    {
        using var pass = new CpuInferencePass(new CpuBackend(1));
        pass.Begin();
        var forgotten = pass.Constant([1, 2, 3, 4], 2, 2);
        var wide = pass.Constant([1, 2, 3, 4, 5, 6], 2, 3);
        var kept = pass.NextLayer(pass.Columns(wide, 1, 2));
        Assert.Equal([2f, 3f, 5f, 6f], pass.Read(kept).ToArray());
        Assert.Throws<InvalidOperationException>(() => pass.Read(forgotten).Length);
        Assert.Throws<InvalidOperationException>(() => pass.Read(wide).Length);
    }

    [Fact]
    public void Large_tensors_live_beside_small_ones()
    {
        using var pass = new CpuInferencePass(new CpuBackend(1));
        for (int round = 0; round < 3; round++)
        {
            pass.Begin();
            var small = pass.Constant([7], 1, 1);
            var large = pass.Constant(new float[3_000_000], 3000, 1000);
            var after = pass.Constant([8], 1, 1);
            large = pass.Add(large, small);
            Assert.Equal(7, pass.Read(large)[^1]);
            Assert.Equal(8, pass.Read(after)[0]);
            large = pass.NextLayer(large);
            Assert.Equal(7, pass.Read(large)[^1]);
        }
    }
}
